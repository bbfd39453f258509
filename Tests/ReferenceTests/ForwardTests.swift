import PlanIR
import Reference
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Values of the reference")
struct ForwardTests {
  @Test(
    "of activations are those of their formulas at -1 and 2",
    arguments: [
      (ActivationKind.geluTanh, -0.158808009, 1.954597694),
      (.geluErf, -0.158655254, 1.954499736), (.relu, 0, 2), (.silu, -0.268941421, 1.761594156),
    ])
  func activation(kind: ActivationKind, low: Double, high: Double) throws {
    let block = SingleBlock.block([.init(.activation(kind), ["input"], output: "y")])
    let found = try SingleBlock.output(of: block, [.hidden: 2], features: [-1, 2], sequence: 1)
    #expect(abs(found[0] - low) < 1e-9 && abs(found[1] - high) < 1e-9, "\(found)")
  }

  @Test(
    "of norms are rows over their deviation or root mean square",
    arguments: [(NormKind.layer, [-1.0, 1.0]), (.rms, [0.447213595, 1.341640786])])
  func norm(kind: NormKind, expected: [Double]) throws {
    let operation = ModelOperation(.norm(kind, epsilon: 0), ["input", "gain"], output: "y")
    let gain = ParameterInstance(block: "one", parameter: "gain")
    let found = try SingleBlock.output(
      of: SingleBlock.block([operation], [SingleBlock.parameter("gain", [.hidden])]), [.hidden: 2],
      features: [1, 3], sequence: 1, weights: [gain: [2, 3]])
    for (index, factor) in [2.0, 3.0].enumerated() {
      #expect(abs(found[index] - factor * expected[index]) < 1e-8, "\(found)")
    }
  }

  @Test("of rotary turn feature i with feature i + width / 2, by position times frequency")
  func rotary() throws {
    let identity = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    let rotary = RotarySettings(theta: 100, width: 4)
    let found = try SingleBlock.output(
      of: SingleBlock.block(
        [
          .init(.linear, ["input", "in"], output: "heads"),
          .init(.rotary(rotary), ["heads"], output: "turned"),
          .init(.linear, ["turned", "out"], output: "y"),
        ],
        [
          SingleBlock.parameter("in", [.hidden, .heads, .headWidth]),
          SingleBlock.parameter("out", [.heads, .headWidth, .hidden]),
        ]),
      [.hidden: 4, .heads: 1, .headWidth: 4], features: [1, 2, 3, 4, 1, 2, 3, 4], sequence: 2,
      weights: [
        ParameterInstance(block: "one", parameter: "in"): identity,
        ParameterInstance(block: "one", parameter: "out"): identity,
      ])
    let (fast, slow) = (1.0, 0.1)
    let expected: [Double] = [
      1, 2, 3, 4, cos(fast) - 3 * sin(fast), 2 * cos(slow) - 4 * sin(slow),
      3 * cos(fast) + sin(fast), 4 * cos(slow) + 2 * sin(slow),
    ]
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-12) }
  }

  @Test("of logits [batch, sequence, vocabulary] give the loss by hand, ignored labels left out")
  func crossEntropy() throws {
    let small = SmallModel.llama
    let input = small.input(seed: 5)
    let run = try ReferenceModel(
      model: small.model, workload: SmallModel.workload, seed: 5, weights: small.weights(seed: 5)
    ).run(input)
    let logits = try #require(run.logits)
    #expect(logits.count == 10 * 11)
    var sum = 0.0
    for (row, label) in input.labels.enumerated() where label != -100 {
      let places = row * 11..<(row + 1) * 11
      sum += log(logits[places].map { exp($0) }.reduce(0, +)) - logits[row * 11 + Int(label)]
    }
    #expect(abs(run.loss - sum / 8) < 1e-12)
  }

  @Test("do not depend on later tokens", arguments: [SmallModel.gpt, .llama, .llamaWindow])
  func causal(small: SmallModel) throws {
    let reference = try ReferenceModel(
      model: small.model, workload: SmallModel.workload, seed: 1, weights: small.weights(seed: 1))
    var input = small.input(seed: 1)
    let before = try #require(try reference.run(input).logits)
    input.tokens[4] = (input.tokens[4] + 1) % 11
    let after = try #require(try reference.run(input).logits)
    #expect(before[..<(4 * 11)] == after[..<(4 * 11)])
    #expect(before[(4 * 11)..<(5 * 11)] != after[(4 * 11)..<(5 * 11)])
    #expect(before[(5 * 11)...] == after[(5 * 11)...])
  }

  @Test("of a window do not depend on tokens that no layer's window reaches")
  func window() throws {
    let small = SmallModel.llamaWindow
    let reference = try ReferenceModel(
      model: small.model, workload: SmallModel.workload, seed: 1, weights: small.weights(seed: 1))
    var input = small.input(seed: 1)
    let before = try #require(try reference.run(input).logits)
    input.tokens[0] = (input.tokens[0] + 1) % 11
    let after = try #require(try reference.run(input).logits)
    #expect(before[(2 * 11)..<(3 * 11)] != after[(2 * 11)..<(3 * 11)])
    #expect(before[(3 * 11)..<(5 * 11)] == after[(3 * 11)..<(5 * 11)])
  }
}

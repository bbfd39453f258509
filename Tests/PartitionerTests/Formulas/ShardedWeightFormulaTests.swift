import PlanIR
import TestSupport
import Testing

/// Weights sharded over rows (ZeRO-3): the layout's own traffic on its share of rows, and on top of
/// it for each weight's elements W and g shards W(g-1) forward, again backward where gathered again,
/// and W(g-1) of its gradient, every micro-batch: `36h^2(g-1)` and `24h^2(g-1)` a layer.
@Suite struct ShardedWeightFormulaTests {
  static var cases: [ProofCase] {
    let all: [(LayoutName, [Int], Int, [String])] = [
      (.megatron, [4], 2, ["data"]), (.megatron, [6], 3, ["data"]), (.summa, [2, 3], 2, ["data"]),
      (.tesseract, [2, 2, 3], 1, ["depth"]), (.threeDimensional, [2, 2, 3], 2, ["data"]),
      (.stationary, [2, 4], 3, ["data"]), (.sequence, [4], 1, ["tensor"]),
    ]
    return all.flatMap { layout, mesh, data, over in
      GatherChoice.allCases.flatMap { weights in
        GatherChoice.allCases.map { inputs in
          var proof = FormulaCases.base(layout, mesh)
          (proof.data, proof.weightsOver) = (data, over)
          (proof.gathersInputs, proof.gathersWeights) = (inputs, weights)
          return proof
        }
      }
    }
  }

  /// The axis of shards, and their number.
  private func shards(_ proof: ProofCase) -> (axis: String, count: Int) {
    let axis = proof.weightsOver[0]
    return (axis, axis == "data" ? proof.data : proof.mesh[proof.mesh.count - 1])
  }

  /// Devices of one shard that hold the same part of a vector along the stream, and of one along
  /// heads or wide activations.
  private func vectorCopies(_ proof: ProofCase) -> (stream: Int, inner: Int) {
    switch proof.layout {
    case .summa, .tesseract: (proof.mesh[0], proof.mesh[0])
    case .threeDimensional: (proof.mesh[0] * proof.mesh[1], proof.mesh[0] * proof.mesh[2])
    case .stationary: (proof.mesh[1], 1)
    case .sequence: (1, 1)
    default: (proof.mesh[0], 1)
    }
  }

  @Test(arguments: cases)
  func `a layer's weights are gathered from shards and their gradients scattered to them`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let (axis, count) = shards(proof)
    let copies = vectorCopies(proof)
    // Sequence rows split the biases of heads, which are not sharded again.
    let heads = proof.layout == .sequence ? 0 : of.headVectors
    let whole =
      of.weights + of.streamVectors * copies.stream + (heads + of.wideVectors) * copies.inner
    // Backward reads matrices and the gains of norms, no biases.
    let read = of.weights + 2 * of.hidden * copies.stream
    let extra: [Phase: Traffic] = [
      .forward: ["\(axis) all-gather": whole * (count - 1) * of.value],
      .inputGradient: ["\(axis) all-gather": read * (count - 1) * of.value * of.weightsAgain],
      .weightGradient: ["\(axis) reduce-scatter": whole * (count - 1) * of.gradient],
    ]
    for phase in [Phase.forward, .inputGradient, .weightGradient] {
      let found = of.traffic(FormulaCase.layer, phase, .linears)
      let expected = formulas(of).linears(phase) + (extra[phase] ?? [:])
      let differences = found.differences(from: expected)
      #expect(differences.isEmpty, "\(phase), \(proof): \(differences)")
    }
  }

  @Test(arguments: cases)
  func `tables are gathered from shards by embedding and head, their gradients scattered`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let formulas = formulas(of)
    let (axis, count) = shards(proof)
    let copies = vectorCopies(proof).stream
    // Sequence rows split position tables, which are not sharded again.
    let positions = proof.layout == .sequence ? 0 : of.positions * copies
    let (table, norm) = (formulas.table, of.lastVectors * copies)
    func gathered(_ count: Int) -> Traffic { ["\(axis) all-gather": count * of.value] }
    func scattered(_ count: Int) -> Traffic { ["\(axis) reduce-scatter": count * of.gradient] }
    let parts: [(String, Phase, Traffic, Traffic)] = [
      ("embedding", .forward, formulas.embedding(.forward), gathered(table + positions)),
      ("head", .forward, formulas.head(.forward), gathered(table + norm)),
      (
        "head", .inputGradient, formulas.head(.inputGradient),
        gathered((table + of.hidden * copies) * of.weightsAgain)
      ),
      // Both gradients of the tied table are added before they are scattered.
      ("head", .weightGradient, formulas.head(.weightGradient), scattered(norm)),
      (
        "embedding", .weightGradient, formulas.embedding(.weightGradient),
        scattered(table + positions)
      ),
    ]
    for (block, phase, own, extra) in parts {
      let found = of.traffic([block], phase, .linears)
      let differences = found.differences(from: own + extra * (count - 1))
      #expect(differences.isEmpty, "\(block) \(phase), \(proof): \(differences)")
    }
  }

  @Test(arguments: cases)
  func `only what other axes hold copies of is summed once a step`(proof: ProofCase) throws {
    let of = try FormulaCase(proof)
    let found = of.traffic(FormulaCase.layer, .reduceGradients)
    let (row, vectors) = (proof.mesh.first ?? 1, of.streamVectors + of.headVectors + of.wideVectors)
    let expected: Traffic
    switch proof.layout {
    case .summa, .tesseract:
      expected = ["row all-reduce": 2 * vectors * (row - 1) * of.gradient]
    case .threeDimensional:
      let (stream, inner) = (of.streamVectors, of.headVectors + of.wideVectors)
      expected = [
        "i+j all-reduce": 2 * stream * (row * proof.mesh[1] - 1) * of.gradient,
        "i+k all-reduce": 2 * inner * (row * proof.mesh[2] - 1) * of.gradient,
      ]
    default: expected = [:]
    }
    let differences = found.differences(from: expected)
    #expect(differences.isEmpty, "\(proof): \(differences)")
  }

  /// Of g chunks the largest has ceil(E/g) of a parameter's E local elements.
  @Test(arguments: [3, 5, 7]) func `a shard of weights is a chunk of each parameter, rounded up`(
    data: Int
  ) throws {
    var proof = FormulaCases.base(.megatron, [2])
    (proof.data, proof.microBatches, proof.weightsOver) = (data, 1, ["data"])
    proof.workload.globalBatch = data
    let of = try FormulaCase(proof)
    let (hidden, wide, layers) = (of.hidden, proof.sample.wide, proof.sample.layers)
    let square = hidden * hidden / 2
    let layer =
      [square, square, square, square, hidden * wide / 2, hidden * wide / 2]
      + [hidden / 2, hidden / 2, hidden / 2, wide / 2] + Array(repeating: hidden, count: 6)
    let table = of.vocabulary(parts: 2) * hidden / 2
    func chunks(_ sizes: [Int]) -> Int {
      sizes.reduce(0) { $0 + ($1 + data - 1) / data }
    }
    let stored = layers * chunks(layer) + chunks([table, of.positions, hidden, hidden])
    let memory = try of.predicted().memory
    #expect(memory.weights.count == stored * of.value)
    #expect(memory.gradients.count == stored * of.gradient)
  }
}

import PlanIR
import Reference
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Attention and dropout of the reference")
struct AttentionTests {
  private static let (batch, sequence, heads, keyHeads) = (2, 3, 4, 2)

  /// Hidden features are query heads of width 1, the first of them key and value heads.
  private static let block = SingleBlock.block(
    [
      .init(.linear, ["input", "q"], output: "query"),
      .init(.linear, ["input", "kv"], output: "key"),
      .init(.attention(.init(scale: 0.7)), ["query", "key", "key"], output: "context"),
      .init(.linear, ["context", "o"], output: "y"),
    ],
    [
      SingleBlock.parameter("q", [.hidden, .heads, .headWidth]),
      SingleBlock.parameter("kv", [.hidden, .keyValueHeads, .headWidth]),
      SingleBlock.parameter("o", [.heads, .headWidth, .hidden]),
    ])

  private static func identity(_ rows: Int, _ columns: Int) -> [Double] {
    (0..<rows * columns).map { $0 / columns == $0 % columns ? 1 : 0 }
  }

  private func weight(_ query: Int, _ key: Int, _ head: Int, _ row: [Double]) -> Double {
    let width = Self.heads
    let group = Self.heads / Self.keyHeads
    let exponentials = (0...query).map {
      exp(0.7 * row[query * width + head] * row[$0 * width + head / group])
    }
    return exponentials[key] / exponentials.reduce(0, +)
  }

  @Test(
    "give each query head its group's keys up to its own place, dropped by global index",
    arguments: [0, 0.4])
  func attention(dropout: Double) throws {
    let (seed, width): (UInt64, Int) = (31, Self.heads)
    let features = SmallModel.draw(Self.batch * Self.sequence * width, seed, "features")
    let found = try SingleBlock.output(
      of: Self.block,
      [.hidden: width, .heads: width, .keyValueHeads: Self.keyHeads, .headWidth: 1],
      features: features, sequence: Self.sequence, batch: Self.batch, dropout: dropout, seed: seed,
      weights: [
        ParameterInstance(block: "one", parameter: "q"): Self.identity(width, width),
        ParameterInstance(block: "one", parameter: "kv"): Self.identity(width, Self.keyHeads),
        ParameterInstance(block: "one", parameter: "o"): Self.identity(width, width),
      ])
    let mask = CounterGenerator(seed: seed, name: "dropout/one/0/context.dropped")
    for (place, found) in found.enumerated() {
      let (head, query) = (place % width, place / width % Self.sequence)
      let sequence = place / width / Self.sequence
      let row = Array(features[(sequence * Self.sequence * width)...])
      var expected = 0.0
      for key in 0...query {
        let index = ((sequence * width + head) * Self.sequence + query) * Self.sequence + key
        guard mask.uniform(at: UInt64(index)) >= dropout else { continue }
        expected += weight(query, key, head, row) * row[key * width + head / 2] / (1 - dropout)
      }
      #expect(abs(found - expected) < 1e-12, "element \(place), seed \(seed)")
    }
  }

  @Test("of a value keep an element by its global index and scale it up")
  func dropout() throws {
    let features = SmallModel.draw(2 * 3 * 4, 17, "features")
    let found = try SingleBlock.output(
      of: SingleBlock.block([.init(.dropout, ["input"], output: "y")]), [.hidden: 4],
      features: features, sequence: 3, batch: 2, dropout: 0.5, seed: 17)
    let mask = CounterGenerator(seed: 17, name: "dropout/one/0/y")
    for (index, feature) in features.enumerated() {
      let expected = mask.uniform(at: UInt64(index)) >= 0.5 ? 2 * feature : 0
      #expect(abs(found[index] - expected) < 1e-15)
    }
    #expect(found.contains(0) && found.contains { $0 != 0 })
  }
}

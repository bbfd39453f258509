import PlanIR
import Testing

@Suite struct CheckpointLayoutTests {
  private func elements(_ parameter: Parameter, _ region: ParameterRegion) -> [Int] {
    var found = [Int](repeating: -1, count: region.count)
    CheckpointLayout(parameter, sizes: region.sizes).forEachRun(of: region) { range, place in
      for (step, element) in range.enumerated() { found[place + step] = element }
    }
    return found
  }

  @Test func `a part of a fused tensor stands at its offset in every row`() {
    let parameter = Parameter(
      name: "key", dimensions: [.hidden, .heads, .headWidth], initial: .bias,
      checkpoint: CheckpointSlice("fused", part: .init(axis: 1, offset: 6, total: 18)))
    let layout = CheckpointLayout(parameter, sizes: [2, 3, 2])
    #expect(layout.shape == [2, 18])
    let whole = ParameterRegion(parameter: parameter, sizes: [2, 3, 2], layer: 0)
    #expect(elements(parameter, whole) == Array(6..<12) + Array(24..<30))
    var block = whole
    (block.offsets, block.extents) = ([1, 1, 0], [1, 2, 2])
    #expect(elements(parameter, block) == [26, 27, 28, 29])
  }

  @Test func `rows of a position table follow one another`() {
    let parameter = Parameter(
      name: "unused", dimensions: [.unusedPositions, .hidden], initial: .bias,
      checkpoint: CheckpointSlice("wpe", part: .init(axis: 0, offset: 3, total: 5)))
    let region = ParameterRegion(parameter: parameter, sizes: [2, 4], layer: 0)
    #expect(CheckpointLayout(parameter, sizes: [2, 4]).shape == [5, 4])
    #expect(elements(parameter, region) == Array(12..<20))
  }

  @Test func `a drawn block is the whole's block`() throws {
    let parameter = Parameter(
      name: "w", dimensions: [.wide, .hidden], initial: InitialValue(deviation: 1),
      checkpoint: CheckpointSlice("layers.{layer}.w"))
    func draw(_ region: ParameterRegion) throws -> [Double] {
      var values = [Double](repeating: 0, count: region.count)
      try values.withUnsafeMutableBufferPointer {
        try RandomWeights(seed: 3).read(region, into: $0)
      }
      return values
    }
    let whole = try draw(ParameterRegion(parameter: parameter, sizes: [6, 4], layer: 1))
    let block = try draw(
      ParameterRegion(
        parameter: parameter, sizes: [6, 4], layer: 1, offsets: [2, 1], extents: [3, 2]))
    #expect(block == [9, 10, 13, 14, 17, 18].map { whole[$0] })
    #expect(Set(whole).count == 24)
  }

  @Test func `drawn numbers have mean zero and variance one`() {
    let generator = CounterGenerator(seed: 5, name: "test")
    let draws = (0..<20_000).map { generator.normal(at: UInt64($0)) }
    let mean = draws.reduce(0, +) / 20_000
    let variance = draws.reduce(0) { $0 + $1 * $1 } / 20_000
    #expect(abs(mean) < 0.03)
    #expect(abs(variance - 1) < 0.05)
  }
}

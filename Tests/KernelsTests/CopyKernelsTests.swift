import Kernels
import PlanIR
import Testing

@Suite struct CopyKernelsTests {
  struct Case: Sendable {
    var source, offset, destination, target, extent: [Int]
  }

  static let cases = [
    Case(source: [7], offset: [2], destination: [5], target: [1], extent: [3]),
    Case(source: [4, 6], offset: [1, 2], destination: [2, 3], target: [0, 0], extent: [2, 3]),
    Case(source: [4, 6], offset: [1, 0], destination: [5, 6], target: [3, 0], extent: [2, 6]),
    Case(
      source: [3, 4, 5], offset: [0, 1, 0], destination: [3, 2, 5], target: [0, 0, 0],
      extent: [3, 2, 5]),
    Case(
      source: [2, 3, 4, 5], offset: [1, 0, 2, 1], destination: [3, 3, 2, 4],
      target: [2, 0, 0, 1], extent: [1, 3, 2, 3]),
    Case(source: [3, 4], offset: [0, 0], destination: [3, 4], target: [0, 0], extent: [3, 4]),
    Case(source: [3, 4], offset: [1, 1], destination: [3, 4], target: [0, 0], extent: [0, 3]),
    Case(source: [], offset: [], destination: [], target: [], extent: []),
  ]

  static func element(_ shape: [Int], _ position: [Int]) -> Int {
    zip(shape, position).reduce(0) { $0 * $1.0 + $1.1 }
  }

  @Test(arguments: cases.indices, precisions)
  func `a window lands in its place and nothing else moves`(_ index: Int, _ dtype: DType) {
    let given = Self.cases[index]
    let draw = Draw(seed: 91, dtype: dtype)
    let x = draw.numbers(given.source.reduce(1, *), "x")
    let before = draw.numbers(given.destination.reduce(1, *), "y")
    var expected = before
    for flat in 0..<given.extent.reduce(1, *) {
      var (rest, position) = (flat, given.extent)
      for dimension in given.extent.indices.reversed() {
        (rest, position[dimension]) = rest.quotientAndRemainder(
          dividingBy: given.extent[dimension])
      }
      let from = Self.element(given.source, zip(position, given.offset).map(+))
      expected[Self.element(given.destination, zip(position, given.target).map(+))] = x[from]
    }
    let output = Tensor(before, dtype)
    CopyKernels.copyBlock(
      from: Tensor(x, dtype).view,
      at: BlockPlacement(shape: given.source, offset: given.offset), into: output.view,
      at: BlockPlacement(shape: given.destination, offset: given.target), extent: given.extent)
    #expect(output.values == expected)
  }
}

import PlanIR

/// A window of a dense row-major tensor: the tensor's shape and the window's first element.
package struct BlockPlacement: Sendable {
  package var shape: [Int]
  package var offset: [Int]

  /// The window that starts at `offset` (the origin if nil) in a tensor of `shape`.
  package init(shape: [Int], offset: [Int]? = nil) {
    self.shape = shape
    self.offset = offset ?? shape.map { _ in 0 }
  }
}

/// Copies between tensors and their shards.
package enum CopyKernels {
  /// Copies a window of `extent` from where `source` places it to where `destination` does.
  ///
  /// Trailing dimensions that are whole on both sides are merged, so the copy is one `memcpy`
  /// for each remaining row. The two windows must not overlap.
  package static func copyBlock(
    from source: TensorView, at origin: BlockPlacement, into destination: TensorView,
    at target: BlockPlacement, extent: [Int]
  ) {
    precondition(source.dtype == destination.dtype, "copy between unlike tensors")
    checkBounds(origin, extent, source.count)
    checkBounds(target, extent, destination.count)
    guard !extent.contains(0) else { return }
    let outer = outerRank(origin.shape, target.shape, extent)
    let width = source.dtype.width
    let run = extent[outer...].reduce(1, *) * width
    let (reads, writes) = (BlockOffsets(origin), BlockOffsets(target))
    var position = [Int](repeating: 0, count: outer)
    repeat {
      (destination.base + writes.element(at: position) * width).copyMemory(
        from: source.base + reads.element(at: position) * width, byteCount: run)
    } while advance(&position, within: extent)
  }

  /// How many leading dimensions must be walked; those after them are one contiguous run.
  private static func outerRank(_ source: [Int], _ destination: [Int], _ extent: [Int]) -> Int {
    var rank = extent.count
    while rank > 0 {
      rank -= 1
      guard extent[rank] == source[rank], extent[rank] == destination[rank] else { break }
    }
    return rank
  }

  /// Steps `position` to the next row of the window; false after the last.
  private static func advance(_ position: inout [Int], within extent: [Int]) -> Bool {
    for dimension in position.indices.reversed() {
      position[dimension] += 1
      if position[dimension] < extent[dimension] { return true }
      position[dimension] = 0
    }
    return false
  }

  private static func checkBounds(_ placement: BlockPlacement, _ extent: [Int], _ count: Int) {
    precondition(
      placement.shape.count == extent.count && placement.offset.count == extent.count,
      "a window of another rank")
    precondition(placement.shape.reduce(1, *) <= count, "a shape larger than its tensor")
    for (dimension, size) in extent.enumerated() {
      let first = placement.offset[dimension]
      precondition(
        first >= 0 && size >= 0 && first + size <= placement.shape[dimension],
        "a window outside its tensor")
    }
  }
}

/// Row-major element offsets of a placed window.
private struct BlockOffsets {
  private var strides: [Int]
  private var first: Int

  init(_ placement: BlockPlacement) {
    strides = [Int](repeating: 1, count: placement.shape.count)
    for dimension in strides.indices.dropLast().reversed() {
      strides[dimension] = strides[dimension + 1] * placement.shape[dimension + 1]
    }
    first = zip(strides, placement.offset).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The element at `position` of the window; dimensions past its count are at their origin.
  func element(at position: [Int]) -> Int {
    var element = first
    for dimension in position.indices { element += position[dimension] * strides[dimension] }
    return element
  }
}

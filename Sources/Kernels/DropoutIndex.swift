/// Where a local tensor's elements lie in the global tensor, for masks drawn by global index.
///
/// Dimension 0 is the batch: local entry `b` is global entry `batchIndices[b]`. Every other
/// dimension is a window that starts at its offset. Example: local [2, 3, 4] with batchIndices
/// [5, 7] and offsets [0, 6, 0] in global [8, 12, 4]: element (1, 2, 3) is global (7, 8, 3).
package struct DropoutIndex: Sendable {
  package var localShape: [Int]
  package var globalShape: [Int]
  /// First global index of each dimension; dimension 0's is not used.
  package var offsets: [Int]
  package var batchIndices: [Int]
  /// A dimension but the first and the last whose local entries are not a window, with the global
  /// index of each: a sequence in another order.
  package var listed: (dimension: Int, indices: [Int])?

  /// The placement of a local tensor of at least two dimensions.
  package init(localShape: [Int], globalShape: [Int], offsets: [Int], batchIndices: [Int]) {
    precondition(localShape.count >= 2, "dropout of a tensor with no rows")
    precondition(
      globalShape.count == localShape.count && offsets.count == localShape.count
        && batchIndices.count == localShape[0], "a placement of another shape")
    self.localShape = localShape
    self.globalShape = globalShape
    self.offsets = offsets
    self.batchIndices = batchIndices
  }

  /// Elements of one local row, consecutive both locally and globally.
  var rowSize: Int { localShape[localShape.count - 1] }

  /// Rows in the local tensor.
  var rowCount: Int { localShape.dropLast().reduce(1, *) }

  private func globalIndex(_ local: Int, _ dimension: Int) -> Int {
    if let listed, listed.dimension == dimension { return listed.indices[local] }
    return local + offsets[dimension]
  }

  /// The global index of the first element of local row `row`.
  func globalIndex(ofRow row: Int) -> UInt64 {
    let last = localShape.count - 1
    var (rest, index, stride) = (row, offsets[last], globalShape[last])
    for dimension in (0..<last).reversed() {
      let (quotient, local) = rest.quotientAndRemainder(dividingBy: localShape[dimension])
      let global = dimension == 0 ? batchIndices[local] : globalIndex(local, dimension)
      index += global * stride
      stride *= globalShape[dimension]
      rest = quotient
    }
    return UInt64(index)
  }
}

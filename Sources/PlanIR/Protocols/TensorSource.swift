/// What a stored tensor is: name, shape and element type, without its data.
package struct TensorDescription: Hashable, Sendable {
  package var name: String
  package var shape: [Int]
  package var dtype: DType

  package init(name: String, shape: [Int], dtype: DType) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
  }

  /// Elements of the whole tensor; 1 for a scalar.
  package var elementCount: Int { shape.reduce(1, *) }
}

/// Reads named tensors piece by piece, so that nothing larger than a piece is ever in memory.
package protocol TensorSource: Sendable {
  /// Every tensor it holds, in name order.
  var tensors: [TensorDescription] { get }

  /// The description of `name`, or nil where there is none.
  func description(of name: String) -> TensorDescription?

  /// Converts elements `range` of the row-major flattened tensor `name` to float64 into `output`,
  /// which holds exactly `range.count` elements. Throws where the tensor is missing, the range runs
  /// out of it or its type is not a floating-point type.
  func read(_ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Double>)
    throws

  /// As ``read(_:range:into:)`` for int64 tensors.
  func readIntegers(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Int64>) throws
}

/// Writes named tensors piece by piece, in the order they were announced.
package protocol TensorSink: AnyObject {
  /// Announces the next tensor; its elements follow through ``write(_:)`` until it is full.
  func begin(_ tensor: TensorDescription) throws

  /// Appends elements of the tensor begun last, converted to its type.
  func write(_ elements: UnsafeBufferPointer<Double>) throws

  /// Completes the file. Without it nothing is left behind.
  func finish() throws
}

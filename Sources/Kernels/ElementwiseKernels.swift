/// Sums, products and copies, element by element.
///
/// Where two shapes differ the smaller repeats over the leading dimension of the larger.
package enum ElementwiseKernels {
  /// z = x + y; in place ok on `x`.
  package static func add(_ x: TensorView, _ y: TensorView, into z: TensorView) {
    precondition(x.count == z.count && y.count == z.count, "add of unequal counts")
    addBlockBroadcast(x, y, blockSize: z.count, into: z)
  }

  /// y [rows, columns] = x [rows, columns] + vector [columns]; in place ok on `x`.
  package static func addRowBroadcast(
    _ x: TensorView, _ vector: TensorView, columns: Int, into y: TensorView
  ) {
    addBlockBroadcast(x, vector, blockSize: columns, into: y)
  }

  /// z [blocks, blockSize] = x [blocks, blockSize] + y [blockSize]; in place ok on `x`.
  package static func addBlockBroadcast(
    _ x: TensorView, _ y: TensorView, blockSize: Int, into z: TensorView
  ) {
    guard blockSize > 0 else { return }
    precondition(z.count % blockSize == 0 && y.count >= blockSize, "blocks do not divide the sum")
    switch z.precision {
    case .single: addBlocks(Float.self, x, y, blockSize, z)
    case .double: addBlocks(Double.self, x, y, blockSize, z)
    }
  }

  private static func addBlocks<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ y: TensorView, _ blockSize: Int, _ z: TensorView
  ) {
    let (input, block, output) = (x.values(type), y.values(type), z.values(type))
    for start in stride(from: 0, to: z.count, by: blockSize) {
      Loops.zip(input + start, block, into: output + start, count: blockSize) { $0 + $1 }
    }
  }

  /// y [columns] (+)= the sum over rows of x [rows, columns], summed in double.
  package static func sumRows(
    _ x: TensorView, rows: Int, columns: Int, into y: TensorView, accumulate: Bool
  ) {
    switch y.precision {
    case .single: sumRows(Float.self, x, rows, columns, y, accumulate)
    case .double: sumRows(Double.self, x, rows, columns, y, accumulate)
    }
  }

  private static func sumRows<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ rows: Int, _ columns: Int, _ y: TensorView,
    _ accumulate: Bool
  ) {
    let input = x.values(type)
    Loops.sumRows(rows: rows, columns: columns, into: y.values(type), accumulate: accumulate) {
      let line = input + $0 * columns + $1
      for column in 0..<$2.count { $2[column] += line[column].widened }
    }
  }

  /// z = x * y, element by element; in place ok on `x`.
  package static func multiply(_ x: TensorView, _ y: TensorView, into z: TensorView) {
    precondition(x.count == z.count && y.count == z.count, "product of unequal counts")
    switch z.precision {
    case .single: multiply(Float.self, x, y, z)
    case .double: multiply(Double.self, x, y, z)
    }
  }

  private static func multiply<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ y: TensorView, _ z: TensorView
  ) {
    Loops.zip(x.values(type), y.values(type), into: z.values(type), count: z.count) { $0 * $1 }
  }
}

/// The loops kernels are made of, written so that the compiler vectorises them.
///
/// A loop whose output is one of its inputs is spelt on its own: the vectoriser guards a loop
/// with a test that its pointers do not overlap, and equal pointers would take the slow side.
enum Loops {
  /// `y[i] = transform(x[i])`, in place ok.
  @inline(__always)
  static func map<Scalar: KernelFloat>(
    _ x: UnsafePointer<Scalar>, into y: UnsafeMutablePointer<Scalar>, count: Int,
    _ transform: (Scalar) -> Scalar
  ) {
    if x == UnsafePointer(y) {
      for index in 0..<count { y[index] = transform(y[index]) }
    } else {
      for index in 0..<count { y[index] = transform(x[index]) }
    }
  }

  /// `z[i] = combine(x[i], y[i])`, in place ok on `x`.
  @inline(__always)
  static func zip<Scalar: KernelFloat>(
    _ x: UnsafePointer<Scalar>, _ y: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>,
    count: Int, _ combine: (Scalar, Scalar) -> Scalar
  ) {
    if x == UnsafePointer(z) {
      for index in 0..<count { z[index] = combine(z[index], y[index]) }
    } else {
      for index in 0..<count { z[index] = combine(x[index], y[index]) }
    }
  }

  /// The sum of `term(i)` for `i` in `0..<count`, eight at a time in double.
  ///
  /// `lanes(i)` are the terms `i` to `i + 3`. The order of additions is fixed.
  @inline(__always)
  static func sum(
    count: Int, lanes: (Int) -> SIMD4<Double>, term: (Int) -> Double
  ) -> Double {
    var (first, second) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
    var index = 0
    while index + 8 <= count {
      first += lanes(index)
      second += lanes(index + 4)
      index += 8
    }
    var total = (first + second).sum()
    while index < count {
      total += term(index)
      index += 1
    }
    return total
  }

  /// The sum of `count` elements in double.
  static func sum<Scalar: KernelFloat>(_ x: UnsafePointer<Scalar>, count: Int) -> Double {
    sum(count: count) {
      Scalar.lanes(at: x + $0)
    } term: {
      x[$0].widened
    }
  }

  /// The inner product of two vectors of `count` elements in double.
  static func dot<Scalar: KernelFloat>(
    _ x: UnsafePointer<Scalar>, _ y: UnsafePointer<Scalar>, count: Int
  ) -> Double {
    sum(count: count) {
      Scalar.lanes(at: x + $0) * Scalar.lanes(at: y + $0)
    } term: {
      x[$0].widened * y[$0].widened
    }
  }

  /// Writes `count` zeros.
  static func zero<Scalar: KernelFloat>(_ x: UnsafeMutablePointer<Scalar>, count: Int) {
    x.update(repeating: 0, count: count)
  }

  /// Sums over rows: `y[j]` (+)= the sum over rows of what `add` adds to `sums`, in double.
  ///
  /// `add` gets a row, the first column of a tile, and the sums of that tile's columns.
  /// Scratch: 2 KiB, the sums of one tile of 256 columns.
  @inline(__always)
  static func sumRows<Scalar: KernelFloat>(
    rows: Int, columns: Int, into y: UnsafeMutablePointer<Scalar>, accumulate: Bool,
    _ add: (_ row: Int, _ start: Int, _ sums: UnsafeMutableBufferPointer<Double>) -> Void
  ) {
    let tile = 256
    withScratch(Double.self, count: tile) { sums in
      for start in stride(from: 0, to: columns, by: tile) {
        let width = min(tile, columns - start)
        sums.update(repeating: 0, count: width)
        for row in 0..<rows {
          add(row, start, UnsafeMutableBufferPointer(start: sums, count: width))
        }
        for column in 0..<width {
          y[start + column] = Scalar(sums[column]) + (accumulate ? y[start + column] : 0)
        }
      }
    }
  }
}

/// Runs `body` with room for `count` elements, freed when it returns.
func withScratch<Scalar>(
  _ type: Scalar.Type, count: Int, _ body: (UnsafeMutablePointer<Scalar>) -> Void
) {
  withUnsafeTemporaryAllocation(of: type, capacity: max(count, 1)) { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("no room for scratch") }
    body(base)
  }
}

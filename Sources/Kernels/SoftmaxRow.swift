/// Softmax over one row of scores, of which a run is visible and the rest is masked.
enum SoftmaxRow {
  /// Replaces scores by probabilities in place, zero outside `visible`; the log of the sum of
  /// exponentials, -infinity where nothing is visible.
  @discardableResult
  static func normalise<Scalar: KernelFloat>(
    _ row: UnsafeMutablePointer<Scalar>, count: Int, visible: Range<Int>
  ) -> Scalar {
    zeroOutside(visible, row, count: count)
    let seen = row + visible.lowerBound
    let peak = Scalar.maximum(seen, count: visible.count)
    guard peak > -.infinity else {
      Loops.zero(seen, count: visible.count)
      return -.infinity
    }
    exponentials(seen, count: visible.count, minus: peak)
    let sum = Loops.sum(UnsafePointer(seen), count: visible.count)
    let reciprocal = Scalar(1 / sum)
    Loops.map(seen, into: seen, count: visible.count) { $0 * reciprocal }
    return peak + Scalar(logarithm(sum))
  }

  /// Replaces scores by probabilities among all that the row has seen so far and these, in place, zero
  /// outside `visible`; `logSumExp`, of what it has seen, takes these in. What to scale by whatever
  /// was summed over what it had seen before.
  static func absorb<Scalar: KernelFloat>(
    _ row: UnsafeMutablePointer<Scalar>, count: Int, visible: Range<Int>,
    into logSumExp: inout Scalar
  ) -> Scalar {
    zeroOutside(visible, row, count: count)
    let seen = row + visible.lowerBound
    let peak = max(Scalar.maximum(seen, count: visible.count), logSumExp)
    guard peak > -.infinity else {
      Loops.zero(seen, count: visible.count)
      return 1
    }
    exponentials(seen, count: visible.count, minus: peak)
    let earlier = logSumExp > -.infinity ? Scalar.exponential(logSumExp - peak).widened : 0
    let sum = earlier + Loops.sum(UnsafePointer(seen), count: visible.count)
    let reciprocal = Scalar(1 / sum)
    Loops.map(seen, into: seen, count: visible.count) { $0 * reciprocal }
    logSumExp = peak + Scalar(logarithm(sum))
    return Scalar(earlier / sum)
  }

  /// Replaces scores by probabilities in place, given the log of the sum of exponentials.
  static func restore<Scalar: KernelFloat>(
    _ row: UnsafeMutablePointer<Scalar>, count: Int, visible: Range<Int>, logSumExp: Scalar
  ) {
    zeroOutside(visible, row, count: count)
    guard logSumExp > -.infinity else { return Loops.zero(row, count: count) }
    exponentials(row + visible.lowerBound, count: visible.count, minus: logSumExp)
  }

  @inline(__always)
  private static func exponentials<Scalar: KernelFloat>(
    _ row: UnsafeMutablePointer<Scalar>, count: Int, minus shift: Scalar
  ) {
    Loops.map(row, into: row, count: count) { Scalar.exponential($0 - shift) }
  }

  private static func zeroOutside<Scalar: KernelFloat>(
    _ visible: Range<Int>, _ row: UnsafeMutablePointer<Scalar>, count: Int
  ) {
    Loops.zero(row, count: visible.lowerBound)
    Loops.zero(row + visible.upperBound, count: count - visible.upperBound)
  }
}

/// Rounding of values that are stored narrower than they are computed.
package enum RoundingKernels {
  /// Replaces each element of a float32 tensor, in place, by the nearest bfloat16, ties to even: the
  /// upper 16 bits hold it, the lower are zero.
  ///
  /// Infinities, zeros of either sign and subnormals are kept as such; what lies beyond the largest
  /// bfloat16 by half a step or more becomes infinite; NaN stays NaN, quiet, with its sign.
  package static func roundToBFloat16(_ x: TensorView) {
    let values = x.values(Float.self)
    for index in 0..<x.count {
      values[index] = Float(bitPattern: roundedBits(values[index].bitPattern))
    }
  }

  /// Adds half a step of the upper half, less the last bit where that half is even, and cuts; the
  /// carry runs into the exponent where it must. A NaN might be cut, or carry, to a number: its quiet
  /// bit is set instead.
  @inline(__always)
  private static func roundedBits(_ bits: UInt32) -> UInt32 {
    let nearest = bits &+ 0x7FFF &+ ((bits >> 16) & 1)
    let isNaN = bits & 0x7FFF_FFFF > 0x7F80_0000
    return (isNaN ? bits | 0x0040_0000 : nearest) & 0xFFFF_0000
  }
}

extension Double {
  /// The value of a bfloat16, exactly: its bits are the upper half of a Float's.
  init(bfloat16 bits: UInt16) { self = Double(Float(bitPattern: UInt32(bits) << 16)) }

  /// The bits of the bfloat16 nearest to this number, ties to even.
  ///
  /// Rounding to Float first may land on the middle between two bfloat16s a number that lay beside
  /// it; then this number says on which side it was, so that it is rounded once, not twice.
  package var bfloat16Bits: UInt16 {
    let float = Float(self)
    let bits = float.bitPattern
    let upper = UInt16(truncatingIfNeeded: bits >> 16)
    if isNaN { return upper | 0x0040 }
    let lower = bits & 0xFFFF
    if lower != 0x8000 { return lower > 0x8000 ? upper + 1 : upper }
    let middle = Double(float).magnitude
    if magnitude != middle { return magnitude > middle ? upper + 1 : upper }
    return upper & 1 == 1 ? upper + 1 : upper
  }
}

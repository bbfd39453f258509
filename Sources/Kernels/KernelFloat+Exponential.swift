import Glibc

extension Float {
  static var largestExponent: Float { 87 }

  /// e to the power `x`, 0 below -87.33 where the result would be subnormal.
  @inline(__always)
  static func exponential(_ x: Float) -> Float {
    let power = boundedExponential(x)
    return x < -87.336_54 ? 0 : power
  }

  /// e to the power `x` for -87.33 <= x <= 88.7, within 1 unit in the last place.
  ///
  /// Cephes `expf`: x = n ln 2 + r, a polynomial in r, then n added to the exponent field. Adding
  /// 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
  @inline(__always)
  static func boundedExponential(_ x: Float) -> Float {
    let rounder: Float = 12_582_912
    let shifted = x * 1.442_695_04 + rounder
    let count = shifted - rounder
    let rest = (x - count * 0.693_359_375) - count * -2.121_944_4e-4
    var series: Float = 1.987_569_15e-4
    series = series * rest + 1.398_199_950_7e-3
    series = series * rest + 8.333_451_907_3e-3
    series = series * rest + 4.166_579_589_4e-2
    series = series * rest + 1.666_666_545_9e-1
    series = series * rest + 5.000_000_120_1e-1
    let mantissa = series * (rest * rest) + rest + 1
    return Float(bitPattern: mantissa.bitPattern &+ (shifted.bitPattern &<< 23))
  }

  /// The standard normal distribution at `x`, P within 5 units in the last place.
  ///
  /// The tail beyond |x| is exp(-x^2 / 2) t poly(t) with t = 1 / (1 + 0.3 |x|), the polynomial
  /// fitted here by weighted least squares (relative error 3.5e-9 up to 14.5). The square is
  /// split in a part exact in float and a remainder, or its rounding would show in the tail.
  /// Beyond 12.5 both stay at what they are there, below 1e-34.
  @inline(__always)
  static func normal(at x: Float) -> (cumulative: Float, density: Float) {
    let size = min(Float(bitPattern: x.bitPattern & 0x7FFF_FFFF), limit: 12.5)
    let high = Float(bitPattern: size.bitPattern & 0xFFFF_F000)
    let low = 0.5 * (size - high) * (size + high)
    let correction = 1 - low * (1 - low * (0.5 - low * 0.166_666_67))
    let decay = boundedExponential(-0.5 * high * high) * correction
    let tail = decay * tailRatio(1 / (1 + 0.3 * size))
    return (x < 0 ? tail : 1 - tail, decay * 0.398_942_28)
  }

  @inline(__always)
  private static func min(_ x: Float, limit: Float) -> Float { x > limit ? limit : x }

  @inline(__always)
  private static func tailRatio(_ t: Float) -> Float {
    var series: Float = -0.020_623_798
    series = series * t + 0.112_437_390
    series = series * t + -0.228_217_766
    series = series * t + 0.191_790_044
    series = series * t + -0.079_428_025
    series = series * t + 0.096_159_227
    series = series * t + 0.078_388_840
    series = series * t + 0.110_235_594
    series = series * t + 0.119_571_798
    series = series * t + 0.119_686_693
    return series * t
  }
}

extension Double {
  static var largestExponent: Double { 700 }

  /// e to the power `x`, by the C library.
  @inline(__always)
  static func exponential(_ x: Double) -> Double { Glibc.exp(x) }

  /// The same.
  @inline(__always)
  static func boundedExponential(_ x: Double) -> Double { Glibc.exp(x) }

  /// The standard normal distribution at `x`, by the C library.
  @inline(__always)
  static func normal(at x: Double) -> (cumulative: Double, density: Double) {
    let cumulative = 0.5 * Glibc.erfc(-x * 0.5.squareRoot())
    return (cumulative, Glibc.exp(-0.5 * x * x) * 0.398_942_280_401_432_7)
  }
}

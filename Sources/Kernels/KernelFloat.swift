import COpenBLAS
import PlanIR

/// The element types kernels compute in: `Float` and `Double`, no others.
///
/// Generic bodies over it live in this module only, where the optimiser specialises them; every
/// requirement is branch-free where `Float` is concerned, so that plain loops vectorise.
protocol KernelFloat: BinaryFloatingPoint, SIMDScalar, Codable, Sendable {
  /// The tensor type whose elements these are.
  static var dtype: DType { get }

  /// The same number as a `Double`.
  var widened: Double { get }

  /// 0 or 1, or what else a mask byte holds.
  init(byte: UInt8)

  /// Four consecutive elements from `pointer`, widened.
  static func lanes(at pointer: UnsafePointer<Self>) -> SIMD4<Double>

  /// The largest of `count` elements, -infinity if there are none.
  static func maximum(_ pointer: UnsafePointer<Self>, count: Int) -> Self

  /// A bound within which `exponential` neither overflows nor vanishes.
  static var largestExponent: Self { get }

  /// e to the power `x`, for `x` of at most `largestExponent`.
  static func exponential(_ x: Self) -> Self

  /// e to the power `x`, for `x` of at most `largestExponent` in size.
  static func boundedExponential(_ x: Self) -> Self

  /// The standard normal distribution at `x`: P(X <= x), and exp(-x^2 / 2) / sqrt(2 pi).
  static func normal(at x: Self) -> (cumulative: Self, density: Self)

  /// c = alpha * op(a) op(b) + beta * c, with c m x n and k terms to each sum.
  static func multiply(
    _ a: MatrixOperand<Self>, _ b: MatrixOperand<Self>, into c: UnsafeMutablePointer<Self>,
    stride: Int, m: Int, n: Int, k: Int, alpha: Self, beta: Self)
}

/// A row-major matrix inside a larger tensor: where it starts and how far apart its rows lie.
struct MatrixOperand<Scalar: KernelFloat> {
  var base: UnsafePointer<Scalar>
  var stride: Int
  var transposed = false

  init(_ base: UnsafePointer<Scalar>, stride: Int, transposed: Bool = false) {
    self.base = base
    self.stride = stride
    self.transposed = transposed
  }

  init(_ base: UnsafeMutablePointer<Scalar>, stride: Int, transposed: Bool = false) {
    self.init(UnsafePointer(base), stride: stride, transposed: transposed)
  }

  /// The CBLAS name of this operand's orientation.
  var orientation: CBLAS_TRANSPOSE { transposed ? CblasTrans : CblasNoTrans }
}

extension Float: KernelFloat {
  @inline(__always)
  init(byte: UInt8) { self = Float(Int32(byte)) }

  static var dtype: DType { .float32 }

  @inline(__always)
  var widened: Double { Double(self) }

  @inline(__always)
  static func lanes(at pointer: UnsafePointer<Float>) -> SIMD4<Double> {
    SIMD4<Double>(UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self))
  }

  static func maximum(_ pointer: UnsafePointer<Float>, count: Int) -> Float {
    var lanes = SIMD8<Float>(repeating: -.infinity)
    var index = 0
    while index + 8 <= count {
      let next = UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD8<Float>.self)
      lanes.replace(with: next, where: next .> lanes)
      index += 8
    }
    var largest = lanes.max()
    while index < count {
      largest = pointer[index] > largest ? pointer[index] : largest
      index += 1
    }
    return largest
  }

  static func multiply(
    _ a: MatrixOperand<Float>, _ b: MatrixOperand<Float>, into c: UnsafeMutablePointer<Float>,
    stride: Int, m: Int, n: Int, k: Int, alpha: Float, beta: Float
  ) {
    cblas_sgemm(
      CblasRowMajor, a.orientation, b.orientation, Int32(m), Int32(n), Int32(k), alpha, a.base,
      Int32(a.stride), b.base, Int32(b.stride), beta, c, Int32(stride))
  }
}

extension Double: KernelFloat {
  @inline(__always)
  init(byte: UInt8) { self = Double(Int32(byte)) }

  static var dtype: DType { .float64 }

  @inline(__always)
  var widened: Double { self }

  @inline(__always)
  static func lanes(at pointer: UnsafePointer<Double>) -> SIMD4<Double> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Double>.self)
  }

  static func maximum(_ pointer: UnsafePointer<Double>, count: Int) -> Double {
    var lanes = SIMD4<Double>(repeating: -.infinity)
    var index = 0
    while index + 4 <= count {
      let next = UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD4<Double>.self)
      lanes.replace(with: next, where: next .> lanes)
      index += 4
    }
    var largest = lanes.max()
    while index < count {
      largest = pointer[index] > largest ? pointer[index] : largest
      index += 1
    }
    return largest
  }

  static func multiply(
    _ a: MatrixOperand<Double>, _ b: MatrixOperand<Double>, into c: UnsafeMutablePointer<Double>,
    stride: Int, m: Int, n: Int, k: Int, alpha: Double, beta: Double
  ) {
    cblas_dgemm(
      CblasRowMajor, a.orientation, b.orientation, Int32(m), Int32(n), Int32(k), alpha, a.base,
      Int32(a.stride), b.base, Int32(b.stride), beta, c, Int32(stride))
  }
}

import Foundation
import Kernels
import PlanIR
import Testing

/// A tensor filled with a pattern, so that unwritten elements show.
///
/// Its memory is never freed: views outlive the expression that makes them, and all tests
/// together take some megabytes.
struct Tensor {
  let view: TensorView

  init(count: Int, _ dtype: DType) {
    let bytes = max(count, 1) * dtype.width
    let base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0x7F, count: bytes)
    view = TensorView(base: base, dtype: dtype, count: count)
  }

  init(_ values: [Double], _ dtype: DType) {
    self.init(count: values.count, dtype)
    for (index, value) in values.enumerated() { self[index] = value }
  }

  init(integers: [Int64]) {
    self.init(count: integers.count, .int64)
    for (index, value) in integers.enumerated() {
      view.base.storeBytes(of: value, toByteOffset: index * 8, as: Int64.self)
    }
  }

  subscript(index: Int) -> Double {
    get {
      switch view.dtype {
      case .float32: Double(view.base.load(fromByteOffset: index * 4, as: Float.self))
      case .uint8: Double(view.base.load(fromByteOffset: index, as: UInt8.self))
      case .float64, .float16, .bfloat16, .int64:
        view.base.load(fromByteOffset: index * 8, as: Double.self)
      }
    }
    nonmutating set {
      if view.dtype == .float32 {
        view.base.storeBytes(of: Float(newValue), toByteOffset: index * 4, as: Float.self)
      } else {
        view.base.storeBytes(of: newValue, toByteOffset: index * 8, as: Double.self)
      }
    }
  }

  var values: [Double] { (0..<view.count).map { self[$0] } }
}

/// Numbers for one test, drawn from a seed that failures print.
struct Draw {
  let seed: UInt64
  let dtype: DType

  /// `count` numbers uniform in [-1, 1), exact in the dtype.
  func numbers(_ count: Int, _ name: String) -> [Double] {
    let generator = CounterGenerator(seed: seed, name: name)
    return (0..<count).map { index in
      let value = 2 * generator.uniform(at: UInt64(index)) - 1
      return dtype == .float32 ? Double(Float(value)) : value
    }
  }

  /// A tensor of such numbers.
  func tensor(_ count: Int, _ name: String) -> Tensor { Tensor(numbers(count, name), dtype) }

  /// A tensor to write to.
  func empty(_ count: Int) -> Tensor { Tensor(count: count, dtype) }
}

/// The value dtypes, and a tolerance for each that holds for sums of a few hundred terms near 1.
let precisions: [DType] = [.float32, .float64]

/// Expects two arrays to agree to `single` or `double` (absolute, relative above 1).
func expectClose(
  _ actual: [Double], _ expected: [Double], _ draw: Draw, single: Double = 2e-5,
  double: Double = 1e-12, _ what: String = "", location: SourceLocation = #_sourceLocation
) {
  #expect(actual.count == expected.count, sourceLocation: location)
  let tolerance = draw.dtype == .float32 ? single : double
  let bad = zip(actual, expected).enumerated().first { _, pair in
    if pair.0 == pair.1 { return false }
    return !(abs(pair.0 - pair.1) <= tolerance * max(1, abs(pair.1)))
  }
  guard let bad else { return }
  let message =
    "\(what) [\(bad.offset)]: \(bad.element.0), expected \(bad.element.1), seed \(draw.seed)"
  Issue.record("\(message)", sourceLocation: location)
}

/// The derivative of `function` by each element of `x`, by central differences.
func centralDifferences(_ x: [Double], _ function: ([Double]) -> Double) -> [Double] {
  let step = 1e-5
  return x.indices.map { index in
    var (above, below) = (x, x)
    above[index] += step
    below[index] -= step
    return (function(above) - function(below)) / (2 * step)
  }
}

/// The inner product of two arrays.
func inner(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

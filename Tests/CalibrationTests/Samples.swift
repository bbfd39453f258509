import Calibration
import PlanIR

extension MeasurementOrigin {
  static let sample = MeasurementOrigin(date: "2026-11-23", version: "test")
}

extension SamplingPolicy {
  /// Enough to see an order of magnitude.
  static let quick = SamplingPolicy(
    minimumSamples: 5, maximumSamples: 9, enoughSeconds: 1e-3, limitSeconds: 1)
}

extension MatmulProduct {
  static func cube(_ extent: Int, _ dtype: DType = .float32) throws -> MatmulProduct {
    guard let cube = MatmulProduct(m: extent, n: extent, k: extent, dtype: dtype) else {
      throw Unmeasurable(extent: extent)
    }
    return cube
  }

  struct Unmeasurable: Error { var extent: Int }
}

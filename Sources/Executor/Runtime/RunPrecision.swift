import Kernels
package import PlanIR

/// What a run holds, computes and rounds: the one place that decides what `--dtype bfloat16` means.
///
/// float32 and float64 runs hold and compute everything in their type and round nothing. A bfloat16
/// run holds and computes in float32, and rounds to bfloat16, each time it is written, whatever the
/// plan stores in two bytes: the numbers of two-byte storage with float32 accumulation.
package struct RunPrecision: Hashable, Sendable {
  /// The type that was asked for: float64, float32 or bfloat16.
  package let dtype: DType
  /// The plan's widths.
  package let planned: Precision

  /// The meaning of `dtype` for a plan of precision `planned`.
  package init(_ dtype: DType, planned: Precision) {
    self.dtype = dtype
    self.planned = planned
  }

  /// The type in which values are held, and in which kernels compute and are timed.
  package var heldType: DType { dtype == .bfloat16 ? .float32 : dtype }

  /// The type in which a value of `width` is held.
  package func heldType(of width: ValueWidth) -> DType {
    switch width {
    case .index: .int64
    case .mask: .uint8
    case .activation, .weight, .mainGradient, .masterWeight, .moment, .statistic: heldType
    }
  }

  /// Whether a value of `width` is rounded to bfloat16 whenever it is written.
  package func rounds(_ width: ValueWidth) -> Bool {
    switch width {
    case .index, .mask: false
    case .activation, .weight, .mainGradient, .masterWeight, .moment, .statistic:
      dtype == .bfloat16 && planned.bytes(of: width) == DType.bfloat16.width
    }
  }

  /// The narrowest type that loses nothing of a value of `width`: how a dump stores it.
  package func storedType(of width: ValueWidth) -> DType {
    rounds(width) ? .bfloat16 : heldType(of: width)
  }

  /// Rounds what was just written to `view`, of `width`, if this run rounds it.
  func settle(_ view: TensorView, _ width: ValueWidth) {
    if rounds(width) { RoundingKernels.roundToBFloat16(view) }
  }
}

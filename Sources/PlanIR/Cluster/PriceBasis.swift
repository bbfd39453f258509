/// Where a figure comes from.
package enum PriceBasis: String, Hashable, Sendable, CaseIterable {
  /// This very kernel was measured.
  case measured
  /// Modelled, and corrected by what kernels of similar sizes took.
  case interpolated
  /// From the device's rates alone.
  case modelled
}

/// Where a time comes from.
package enum FigureSource: String, Hashable, Sendable, CaseIterable {
  /// It was measured for exactly these sizes: on this machine, or on one of the cluster's devices.
  case measured
  /// It follows from times that were measured for other sizes.
  case interpolated
  /// It follows from the cluster's figures alone.
  case modelled
}

/// Where a time comes from.
package enum FigureSource: String, Hashable, Sendable, CaseIterable {
  /// It was measured for exactly these sizes: on this machine, or on one of the cluster's devices.
  case measured
  /// It follows from times that were measured for other sizes.
  case interpolated
  /// It follows from the cluster's figures alone.
  case modelled
}

/// Where a time comes from, and how far it may be from what it will be.
package struct FigureBasis: Hashable, Sendable {
  package var source: FigureSource
  /// A share of the time: how far the measured times that it follows from are, on average, from what is said of each by
  /// the others alone. Nil of what was measured, and where nothing tells it.
  package var uncertainty: Double?

  /// A basis of which an uncertainty is known, or not.
  package init(_ source: FigureSource, uncertainty: Double? = nil) {
    (self.source, self.uncertainty) = (source, uncertainty)
  }
}

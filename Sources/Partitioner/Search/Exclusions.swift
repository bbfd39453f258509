package import PlanIR

/// What plans of a search must not choose: the rest of what is open is searched.
///
/// Mixtures leave out a layout in every block.
package struct Exclusions: Hashable, Sendable {
  package var layouts: Set<LayoutName> = []
  package var pipeline, data, context, microBatch: Int?
  /// Leaves plans with stages alone.
  package var schedule: PipelineSchedule?
  package var zero: Int?

  /// Nothing left out.
  package init() {}
}

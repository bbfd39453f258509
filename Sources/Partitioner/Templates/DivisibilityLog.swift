import PlanIR

/// Notes, while blocks are lowered with sizes left open, what must divide for them to be lowered so.
final class DivisibilityLog {
  private var noted: [(dimension: Dimension, axes: [AxisReference], size: Int)] = []

  /// A dimension that is split.
  struct Split {
    let dimension: Dimension
    /// Of a dimension whose size every mesh has alike.
    private let fixed: Int?
    let group: [[Int]]
    let set: PartSet

    init(_ dimension: Dimension, _ size: Int, _ axes: [AxisReference], _ parts: AxisParts) {
      self.dimension = dimension
      fixed = dimension == .vocabulary ? nil : size
      group = axes.map { parts.places(of: [$0]) }
      set = parts.set(axes)
    }

    func size(in sizes: DimensionSizes) -> Int { fixed ?? sizes[dimension] }
  }

  /// Notes that `axes` split `dimension` of size `size`; the batch is asked for by each micro-batch.
  func note(_ dimension: Dimension, _ size: Int, _ axes: [AxisReference]) {
    guard dimension != .batch, !axes.isEmpty,
      !noted.contains(where: { $0.dimension == dimension && $0.axes == axes })
    else { return }
    noted.append((dimension, axes, size))
  }

  /// What was noted, in order.
  func splits(_ parts: AxisParts) -> [Split] {
    noted.map { Split($0.dimension, $0.size, $0.axes, parts) }
  }
}

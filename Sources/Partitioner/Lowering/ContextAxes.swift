import PlanIR

/// Context parallelism as a modifier of any layout: the context axis splits the sequence of all that
/// is computed token by token.
///
/// All-to-all (Jacobs et al., DeepSpeed Ulysses, arXiv 2309.14509): inside attention it splits the
/// heads instead. The all-to-alls between follow from that; every device attends to the whole
/// sequence with its heads, so that causal work is balanced and rotary positions are whole.
///
/// Ring (Liu et al., arXiv 2310.01889): it splits the sequence of queries, keys and values too, heads
/// being split as the layout alone splits them. ``BlockLowering`` makes attention a ring; the program's
/// ``SequenceOrder`` balances causal work.
struct ContextAxes {
  private let axes: [AxisReference]
  private let attention: ContextAttention

  init(_ axes: [AxisReference], _ attention: ContextAttention) {
    self.axes = axes
    self.attention = attention
  }

  /// The heads of a layout's values, split over the context axis too, minor.
  private func heads(in layout: PlacedLayout) -> HeadAxes {
    layout.context.heads(over: layout.storage(of: .heads)[.heads] + axes)
  }

  /// The axis's parts as they split the sequence: where it splits heads, those that split key/value
  /// heads minor, so that they move there and back without a gather over copies of heads.
  func sequence(of layout: PlacedLayout) -> [AxisReference] {
    guard attention == .allToAll else { return axes }
    let keyValue = heads(in: layout).keyValue.intersecting(axes)
    return axes.subtracting(keyValue) + keyValue
  }

  /// Where `state` is stored.
  func storage(
    of state: ValueState, in layout: PlacedLayout
  ) -> DimensionAxes {
    var result = layout.storage(of: state)
    guard !axes.isEmpty else { return result }
    switch state {
    case .heads where attention == .allToAll, .keyValue where attention == .allToAll:
      let heads = heads(in: layout)
      result[.heads] = heads.whole
      result[.keyValueHeads] = heads.keyValue
    case .heads, .keyValue, .stream, .wide, .logits:
      result[.sequence] = sequence(of: layout) + result[.sequence]
    }
    return result
  }
}

import PlanIR

/// Asks a layout's tables whether choices make a difference.
struct LayoutProbe {
  private let layout: any Layout
  private let context: LayoutContext

  init(_ layout: any Layout, _ mesh: Mesh, _ training: TrainingGraph) {
    self.layout = layout
    let axes = NamedAxes(layout.axisNames.map { ($0, mesh.whole($0)) })
    context = LayoutContext(
      mesh: mesh, axes: axes, sizes: training.sizes,
      sequenceParallel: false, keyValue: .gathered, tableForm: .gathered,
      isTied: training.isTied)
  }

  /// What of the tables of `choices` does not divide, seen before anything is lowered.
  static func indivisible(
    _ choices: PlanChoices, _ training: TrainingGraph
  ) -> ConstraintViolation? {
    (try? LayoutCatalog.layout(choices.layout)).flatMap { layout in
      LayoutProbe(layout, choices.mesh, training).indivisible(training.workload)
    }
  }

  /// Whether several devices would use one key/value head.
  var keyValueHeadsAreCopied: Bool {
    let keys = LinearRole(from: .stream, to: .keyValue)
    return !layout.factors(of: keys, in: context)[.headWidth].isEmpty
  }

  /// A dimension that the tables split into parts which do not divide it; the batch counts whole.
  private func indivisible(_ workload: Workload) -> ConstraintViolation? {
    for table in tables {
      for dimension in table.dimensions where dimension != .vocabulary {
        let size = dimension == .batch ? workload.globalBatch : context.sizes[dimension]
        if size % table[dimension].groupSize != 0 {
          return .indivisible(dimension, size: size, by: table[dimension], in: context.mesh)
        }
      }
    }
    return nil
  }

  /// Whether what the tables split, but for the batch, is divided by as many parts.
  var divides: Bool {
    tables.allSatisfy { table in
      table.dimensions.allSatisfy { dimension in
        dimension == .vocabulary || dimension == .batch
          || context.sizes[dimension] % table[dimension].groupSize == 0
      }
    }
  }

  /// Into how many parts the batch is split somewhere.
  var batchParts: Int { tables.map { $0[.batch].groupSize }.max() ?? 1 }

  /// Where layers store what they compute, and how their linears are split.
  private var tables: [DimensionAxes] {
    let linears = [
      LinearRole(from: .stream, to: .heads), LinearRole(from: .heads, to: .stream),
      LinearRole(from: .stream, to: .wide), LinearRole(from: .wide, to: .stream),
    ]
    return [ValueState.stream, .heads, .wide].map { layout.storage(of: $0, in: context) }
      + linears.flatMap {
        [layout.weight(of: $0, in: context), layout.factors(of: $0, in: context)]
      }
  }

  /// The same of heads inside attention, where an all-to-all over the context axis of `choices` splits them.
  func indivisibleHeads(_ choices: PlanChoices) -> ConstraintViolation? {
    let placed = PlacedLayout(layout: layout, context: context)
    let sequence = ContextAxes(choices.mesh.whole("context"), choices.contextAttention)
    let heads = sequence.storage(of: .heads, in: placed)[.heads]
    guard context.sizes[.heads] % heads.groupSize != 0 else { return nil }
    return .indivisible(.heads, size: context.sizes[.heads], by: heads, in: context.mesh)
  }

  var sequenceParallelismSplits: Bool {
    var parallel = context
    parallel.sequenceParallel = true
    return layout.storage(of: .stream, in: parallel) != layout.storage(of: .stream, in: context)
  }
}

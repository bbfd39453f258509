import PlanIR

/// Products that one loop over panels computes: those that share the operand or the result that
/// moves, so that it moves once for all.
struct PanelProduct {
  var operations: [GraphOperation]
  /// The place of each operation, over all phases.
  var positions: [Int]
  /// The dimension that the loop is over.
  var dimension: Dimension
}

/// The products of a phase that a plan with stepped matmuls computes by loops over panels.
///
/// Forward, and for the gradients of weights, a loop stands where the first of its products does:
/// their other operands are at hand. For the gradient of an input it stands where the last does.
struct PanelProducts {
  private var products: [Int: PanelProduct] = [:]
  private var members: Set<Int> = []

  init(
    _ operations: [GraphOperation], _ phase: Phase, startingAt start: Int,
    in lowering: BlockLowering
  ) throws(ConstraintViolation) {
    guard lowering.context.choices.matmul == .stepped else { return }
    let (context, graph) = (lowering.context, lowering.graph)
    var groups: [Key: PanelProduct] = [:]
    for (index, operation) in operations.enumerated() {
      guard let dimension = try context.panelDimension(of: operation, in: graph) else { continue }
      let shared = phase == .inputGradient ? operation.outputs[0] : operation.inputs[0]
      let key = Key(shared: shared, dimension: dimension)
      groups[key, default: PanelProduct(operations: [], positions: [], dimension: dimension)]
        .operations.append(operation)
      groups[key]?.positions.append(start + index)
    }
    for product in groups.values {
      members.formUnion(product.positions)
      let place = phase == .inputGradient ? product.positions.last : product.positions.first
      products[place ?? start] = product
    }
  }

  private struct Key: Hashable {
    let shared: ValueID
    let dimension: Dimension
  }

  /// The loop that stands at `position`.
  func beginning(at position: Int) -> PanelProduct? { products[position] }

  /// Whether a loop computes the operation at `position`.
  func contains(_ position: Int) -> Bool { members.contains(position) }
}

extension LoweringContext {
  /// The dimension over whose panels `operation`, a product or a lookup, may loop: whole while it is
  /// computed, and split where an operand or the result is stored. Nil of what is no linear, moves
  /// nothing, or scatters its rows.
  func panelDimension(
    of operation: GraphOperation, in graph: BlockGraph
  ) throws(ConstraintViolation) -> Dimension? {
    guard choices.matmul == .stepped, layout(of: graph).layout.hasPanels,
      operation.linear != nil
    else { return nil }
    let axes = assignment(of: operation, in: graph)
    var moving: Set<Dimension> = []
    var parts = 1
    for value in operation.inputs + operation.outputs {
      let stored = storedForm(of: value, in: graph).dimensions
      for (dimension, split) in zip(graph.values[value].dimensions, stored)
      where axes[dimension].isEmpty && !split.isEmpty && dimension != .batch {
        moving.insert(dimension)
        parts = max(parts, Array(stored.joined()).groupSize)
      }
    }
    guard moving.count > 1 else {
      return moving.first.flatMap { panelsFit(operation, axes, $0, in: graph) ? $0 : nil }
    }
    throw ConstraintViolation(
      constraint: "heads divisible by the rows of the mesh, for stepped matmuls",
      found: "weights split along \(moving.sorted().map(\.rawValue).joined(separator: " and "))",
      needed: "one dimension to loop over", remedy: "--matmul gathered, or fewer rows"
    ).ofDimension(.heads, parts: parts)
  }

  /// Whether those who hold panels of `dimension` are the devices that a loop sends them to and sums
  /// them on: axes that split no other dimension of an operand while it is computed, and over which a
  /// result is partial. A tied table that lies as another layout stores it may have others; it is
  /// gathered whole.
  private func panelsFit(
    _ operation: GraphOperation, _ axes: DimensionAxes, _ dimension: Dimension,
    in graph: BlockGraph
  ) -> Bool {
    func owners(_ value: ValueID) -> [AxisReference]? {
      graph.values[value].dimensions.firstIndex(of: dimension)
        .map { storedForm(of: value, in: graph).dimensions[$0] }
    }
    let inputsFit = operation.inputs.allSatisfy { input in
      guard let owners = owners(input) else { return true }
      let others = graph.values[input].dimensions.flatMap { axes[$0] }
      return owners.intersecting(others).isEmpty
    }
    let outputsFit = operation.outputs.allSatisfy { output in
      guard let owners = owners(output) else { return true }
      let partial = computedSharding(of: output, operation, axes, in: graph).unreduced
      return owners.subtracting(partial).isEmpty
    }
    return inputsFit && outputsFit
  }

  /// Where `value` is stored: a parameter's gradient where the parameter is, without chunks.
  func storedForm(of value: ValueID, in graph: BlockGraph) -> Sharding {
    var subject = value
    if case .gradient(let primal) = graph.values[value].origin,
      case .parameter = graph.values[primal].origin
    {
      subject = primal
    }
    return storage(of: subject, in: graph).with(chunks: [])
  }

  /// The sharding of a result that a loop over panels of `dimension` sums: split as it is stored
  /// along that dimension, and no longer partial over those who hold its panels.
  func panelSum(
    of value: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes, _ dimension: Dimension,
    in graph: BlockGraph
  ) -> Sharding {
    let computed = computedSharding(of: value, operation, axes, in: graph)
    let dimensions = graph.values[value].dimensions
    guard let place = dimensions.firstIndex(of: dimension) else { return computed }
    let owners = storedForm(of: value, in: graph).dimensions[place]
    var split = axes
    split[dimension] = owners
    return split.sharding(of: dimensions).with(unreduced: computed.unreduced.subtracting(owners))
  }
}

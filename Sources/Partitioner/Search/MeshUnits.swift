import PlanIR

/// What sequences of one replica must be divisible by, on every tensor mesh and context that the pins leave.
struct MeshUnits {
  private let space: CandidateSpace
  private var templates: TemplateTable
  private var knownShapes: [Int: [Open]] = [:]
  private var known: [Key: [Int]] = [:]
  /// Shapes that may still be lowered.
  private var left = Self.most
  private static let most = 5000

  private struct Key: Hashable {
    let shape: LayoutShape
    let context: Int
  }

  /// A shape that divides all but the batch, which it splits into `parts` at least.
  struct Open {
    let shape: LayoutShape
    let parts: Int
  }

  init(_ space: CandidateSpace) {
    self.space = space
    templates = TemplateTable(space.request.training)
  }

  /// Whether as many shapes were lowered as may be.
  var isExhausted: Bool { left <= 0 }

  /// Lets as many be lowered again.
  mutating func refill() { left = Self.most }

  /// The shapes of `tensor` devices that divide, seen before anything is lowered.
  mutating func shapes(tensor: Int) -> [Open] {
    if let found = knownShapes[tensor] { return found }
    let made = space.shapes(tensor: tensor).compactMap { open($0) }
    knownShapes[tensor] = made
    return made
  }

  private func open(_ shape: LayoutShape) -> Open? {
    guard let layout = try? LayoutCatalog.layout(shape.layout),
      let axes = try? layout.axes(for: shape.degrees)
    else { return nil }
    let probe = LayoutProbe(layout, Mesh(axes), space.request.training)
    return probe.divides ? Open(shape: shape, parts: probe.batchParts) : nil
  }

  /// What micro-batches of a shape's forms are multiples of, ascending.
  mutating func units(_ shape: LayoutShape, context: Int) -> [Int] {
    let key = Key(shape: shape, context: context)
    if let found = known[key] { return found }
    guard !isExhausted else { return [] }
    left -= 1
    let alone = DeviceSplit(data: 1, stages: 1, context: context, tensor: shape.devices)
    let made = Set(space.variants(shape, alone).compactMap { size($0) }).sorted()
    known[key] = made
    return made
  }

  /// What the batch must be divisible by under `choices`; nil where something else does not divide.
  private mutating func size(_ choices: PlanChoices) -> Int? {
    let groups = space.request.training.groups
    var size = 1
    for group in groups.layers + [groups.ends] {
      guard let lowered = try? templates.lowered(group, choices) else { return nil }
      size = leastCommonMultiple(size, lowered.unit)
    }
    return size
  }
}

import PlanIR

/// Goes through the mixtures of a search, of one stage and no context axis, once its plans of one layout are
/// known: what these leave open.
struct MixturePass {
  let request: SearchRequest
  private let space: CandidateSpace
  private var table: BlockTable

  init(_ request: SearchRequest, _ space: CandidateSpace) {
    self.request = request
    self.space = space
    table = BlockTable(request.training)
  }

  private var training: TrainingGraph { request.training }

  /// Whether mixtures are asked for.
  static func isOpen(_ request: SearchRequest) -> Bool {
    let pins = request.pins
    let keepsAll = [nil, .some(.none), .mixed].contains(pins.recompute)
    return (pins.layout == nil || pins.layout == .mixed) && !request.training.isAnnotated
      && keepsAll
  }

  /// Prices the mixtures of `splits` that may be kept; `points` are the layers of one layout.
  mutating func run(_ splits: [DeviceSplit], _ points: [LayerPoint], _ ranking: inout Ranking) {
    for split in splits where split.stages * split.context == 1 {
      let shapes = space.shapes(tensor: split.tensor)
      guard shapes.count > 1 else { continue }
      let own = points.filter { $0.context == 1 && $0.shape.devices == split.tensor }
      var open: [Int: MixtureSearch.OpenShapes] = [:]
      for size in space.microBatches(data: split.data) {
        open[size] = openShapes(size, split, own, shapes, ranking)
      }
      let variants = shapes.flatMap { space.variants($0, split) }
      let all = knobs(variants, shapes)
      guard !open.isEmpty else {
        ranking.prune(count: all.count * shapes.count * shapes.count)
        continue
      }
      let stored = leastStored(split, own)
      let knobs = all.filter { fits($0, split, stored) }
      ranking.refuseOverMemory(count: (all.count - knobs.count) * shapes.count * shapes.count)
      var search = MixtureSearch(
        request, data: split.data, tensor: split.tensor, shapes: shapes)
      for matmul in [MatmulSchedule.gathered, .stepped] {
        search.consider(
          knobs.filter { $0.matmul == matmul }, open, table: &table, ranking: &ranking)
      }
      table.forget()
    }
  }

  /// The shapes that blocks of attention and mlp may have in a mixture which is kept, in micro-batches of
  /// `size`: beside the fastest of the others. Nil where there are none.
  private mutating func openShapes(
    _ size: Int, _ split: DeviceSplit, _ points: [LayerPoint], _ shapes: [LayoutShape],
    _ ranking: Ranking
  ) -> MixtureSearch.OpenShapes? {
    guard request.objective == .time, !points.isEmpty else {
      return MixtureSearch.OpenShapes(attention: shapes, mlp: shapes)
    }
    let classes: [BlockClass] = [.attention, .mlp]
    var times: [BlockClass: [LayoutShape: Picoseconds]] = [:]
    for point in points where point.divides(size) {
      let own = point.leastOfClasses(size, training)
      for blockClass in classes {
        let time = own[blockClass]?.time ?? .zero
        let known = times[blockClass]?[point.shape]
        times[blockClass, default: [:]][point.shape] = min(known ?? time, time)
      }
    }
    let microBatches = training.workload.globalBatch / split.data / size
    let head = request.leastHead(split, size)
    func open(_ blockClass: BlockClass, beside other: BlockClass) -> [LayoutShape] {
      let least = times[other]?.values.min() ?? .zero
      return shapes.filter { shape in
        guard let time = times[blockClass]?[shape] else { return false }
        return !ranking.isBeaten(((time + least + head) * microBatches).count)
      }
    }
    let (attention, mlp) = (open(.attention, beside: .mlp), open(.mlp, beside: .attention))
    if attention.isEmpty || mlp.isEmpty { return nil }
    return MixtureSearch.OpenShapes(attention: attention, mlp: mlp)
  }

  /// What parameters of layers take at least, of each class in the shape where that is least; nothing is
  /// sharded over data.
  private func leastStored(_ split: DeviceSplit, _ points: [LayerPoint]) -> LayerMemory {
    var least: [BlockClass: LayerPoint.ClassLeast] = [:]
    for point in points {
      guard let size = space.microBatches(data: split.data).first(where: point.divides) else {
        continue
      }
      least.merge(point.leastOfClasses(size, training)) { $0.least($1) }
    }
    return least.values.reduce(into: LayerMemory()) { $0.add($1.memory) }
  }

  /// Whether parameters of layers alone leave room under `knobs`.
  private func fits(_ knobs: PlanChoices, _ split: DeviceSplit, _ stored: LayerMemory) -> Bool {
    guard let limit = request.limit, !request.exhaustive else { return true }
    var choices = knobs
    choices.mesh = Mesh(split.outerAxes)
    return Bytes(stored.storedBytes(sharding: choices)) + request.cluster.device.framework <= limit
  }

  /// What mixtures may choose beside layouts, each once.
  private func knobs(_ variants: [PlanChoices], _ shapes: [LayoutShape]) -> [PlanChoices] {
    let pins = request.pins
    let layouts = shapes.compactMap { shape in
      LayoutCatalog.all.first { $0.name == shape.layout }.map { space.matmuls($0, shape) }
    }
    let matmuls = MatmulSchedule.allCases.filter { matmul in
      layouts.contains { $0.contains(matmul) }
    }
    var found: [PlanChoices] = []
    for variant in variants {
      for (over, zero) in space.shards(variant) where over.allSatisfy({ $0 == "data" }) {
        for matmul in matmuls {
          var knobs = variant
          (knobs.layout, knobs.blocks, knobs.mesh) = (.mixed, [:], Mesh([]))
          (knobs.matmul, knobs.weightsOver, knobs.zero) = (matmul, over, zero)
          if !found.contains(knobs) { found.append(knobs) }
        }
      }
    }
    return found.flatMap { knobs in
      (pins.gathersInputs.map { [$0] } ?? GatherChoice.allCases).flatMap { inputs in
        (pins.gathersWeights.map { [$0] } ?? GatherChoice.allCases).map { weights in
          var choices = knobs
          (choices.gathersInputs, choices.gathersWeights) = (inputs, weights)
          return choices
        }
      }
    }
  }
}

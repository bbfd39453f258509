import PlanIR

/// Goes through the mixtures of a search, of one stage and no context axis, once its plans of one layout are
/// known: what these leave open.
struct MixturePass {
  let request: SearchRequest
  private let space: CandidateSpace
  private var table: BlockTable
  private var chains: ChainTable

  /// `chains` knows what was lowered for plans of one layout.
  init(_ request: SearchRequest, _ space: CandidateSpace, _ chains: ChainTable) {
    self.request = request
    self.space = space
    self.chains = chains
    table = BlockTable(request.training, chains.templates)
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
  mutating func run(
    _ splits: [DeviceSplit], _ points: [LayerPoint], _ ranking: inout Ranking,
    _ certificate: inout Certificate?
  ) {
    for split in splits where split.stages * split.context == 1 {
      let shapes = space.mixtureShapes(tensor: split.tensor)
      guard shapes.count > 1 else { continue }
      let all = knobs(shapes.flatMap { space.variants($0, split) }, shapes)
      var open = MixtureShapes(request, space, split, shapes, points)
      var searches = space.rates.fills.map { fill in
        MixtureSearch(
          space, data: split.data, tensor: split.tensor, fill: fill, shapes: shapes)
      }
      for matmul in [MatmulSchedule.gathered, .stepped] {
        for knobs in all where knobs.matmul == matmul {
          for size in space.microBatches(data: split.data) {
            for fill in searches.indices {
              consider(knobs, size, split, &open, &searches[fill], &ranking)
            }
            // None that fits takes less than the best there is.
            certificate?.add(
              CertificatePath.mixtures(knobs, split, size),
              ranking.best.first.map { .step($0.step) } ?? .none)
          }
        }
      }
      table.forget()
    }
  }

  /// Prices the mixtures under `knobs` in micro-batches of `size`.
  private mutating func consider(
    _ knobs: PlanChoices, _ size: Int, _ split: DeviceSplit, _ open: inout MixtureShapes,
    _ search: inout MixtureSearch, _ ranking: inout Ranking
  ) {
    var choices = knobs
    choices.microBatch = size
    choices.microBatches = training.workload.globalBatch / split.data / size
    var isOver = false
    let ends = search.leastEnds(choices, &table)
    if let shapes = open.open(choices, ends: ends, ranking, &chains, isOver: &isOver) {
      search.consider(choices, shapes, table: &table, ranking: &ranking)
    } else if isOver {
      ranking.refuseOverMemory(count: open.count)
    } else {
      ranking.prune(count: open.count)
    }
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
      for shard in space.shards(variant) where shard.over.allSatisfy({ $0 == "data" }) {
        for matmul in matmuls {
          var knobs = variant
          (knobs.layout, knobs.blocks, knobs.mesh) = (.mixed, [:], Mesh([]))
          (knobs.matmul, knobs.weightsOver) = (matmul, shard.over)
          knobs.zero = shard.zero
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

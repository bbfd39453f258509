import PlanIR

/// Prices every candidate of a model with written shardings, each lowered whole: these may put joints between
/// blocks of one layout, so that a plan's parts do not add up to it. Stages are cut evenly, and layers
/// computed again as pinned.
struct AnnotatedSearch {
  let request: SearchRequest
  private let space: CandidateSpace
  private var chains: ChainTable
  private(set) var ranking: Ranking
  private var seen = 0
  /// How many items of another search a candidate takes as long as.
  private static let weight = 100

  init(_ request: SearchRequest, _ space: CandidateSpace) {
    self.request = request
    self.space = space
    chains = ChainTable(request.training, recomputing: [])
    ranking = Ranking(request)
  }

  private var training: TrainingGraph { request.training }

  mutating func run(_ splits: [DeviceSplit]) {
    for split in splits {
      for shape in space.shapes(tensor: split.tensor) {
        for choices in space.variants(shape, split) {
          if ranking.isAnswered(request.probe, seen: seen) { return }
          consider(choices, shape)
        }
      }
    }
  }

  private mutating func consider(_ choices: PlanChoices, _ shape: LayoutShape) {
    let data = choices.degree("data")
    let batch = training.workload.globalBatch
    for shard in space.shards(choices) {
      for var choices in gathers(choices, shape) {
        (choices.weightsOver, choices.zero) = (shard.over, shard.zero)
        for size in space.microBatches(data: data) {
          (choices.microBatch, choices.microBatches) = (size, batch / data / size)
          for choices in staged(choices) {
            if ranking.isAnswered(request.probe, seen: seen) { return }
            price(choices)
          }
        }
      }
    }
  }

  /// `choices` gathered and looped over in every way.
  private func gathers(_ choices: PlanChoices, _ shape: LayoutShape) -> [PlanChoices] {
    guard let layout = try? LayoutCatalog.layout(choices.layout) else { return [] }
    let pins = request.pins
    return space.matmuls(layout, shape).flatMap { matmul in
      (pins.gathersInputs.map { [$0] } ?? GatherChoice.allCases).flatMap { inputs in
        (pins.gathersWeights.map { [$0] } ?? GatherChoice.allCases).map { weights in
          var choices = choices
          choices.matmul = matmul
          (choices.gathersInputs, choices.gathersWeights) = (inputs, weights)
          return choices
        }
      }
    }
  }

  private func staged(_ choices: PlanChoices) -> [PlanChoices] {
    let stages = choices.degree("pipeline")
    var choices = choices
    // Stages are all alike.
    choices.recompute = request.pins.recompute.flatMap { $0 == .mixed ? nil : $0 } ?? .none
    choices.stages = StageMap.even(layers: training.layers, stages: stages)
      .map { StageChoice(layers: $0, choices.recompute) }
    return space.orders(stages: stages, microBatches: choices.microBatches).map {
      (choices.schedule, choices.interleave) = ($0.0, $0.interleave)
      return choices
    }
  }

  private mutating func price(_ choices: PlanChoices) {
    let placements = Placement.all(choices.mesh, perNode: request.cluster.devicesPerNode)
    do throws(ConstraintViolation) {
      for var choices in try chains.tables(choices) {
        for placement in placements {
          choices.placement = placement
          seen += Self.weight
          let predicted = try Partitioner.predict(
            training, choices: choices, cluster: request.cluster, timings: request.timings)
          ranking.offer(step: predicted.step, memory: predicted.memory.total) { choices }
        }
      }
    } catch {
      ranking.refuse(error, count: placements.count)
    }
  }
}

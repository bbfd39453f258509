import PlanIR

/// How many candidates there are of what is left out together, counted with those that coincide: every
/// placement, form of gathering, schedule and cut.
struct CandidateCounts {
  private let request: SearchRequest
  private let space: CandidateSpace
  private var placements: [Mesh: Int] = [:]
  private var cuts: [Pipeline: Int] = [:]

  private struct Pipeline: Hashable {
    let stages, microBatches: Int
  }

  init(_ request: SearchRequest, _ space: CandidateSpace) {
    self.request = request
    self.space = space
  }

  private var training: TrainingGraph { request.training }

  /// Of one form of layers under a split of devices.
  mutating func of(_ split: DeviceSplit, _ choices: PlanChoices) -> Int {
    space.microBatches(data: split.data).reduce(0) { $0 + of(split, choices, microBatch: $1) }
  }

  /// As above in micro-batches of one size.
  mutating func of(_ split: DeviceSplit, _ choices: PlanChoices, microBatch: Int) -> Int {
    var choices = choices
    choices.mesh = Mesh(split.outerAxes + choices.mesh.axes.filter { !split.isOuter($0) })
    choices.microBatches = training.workload.globalBatch / split.data / microBatch
    let pins = request.pins
    let gathers =
      (pins.gathersInputs == nil ? 2 : 1) * (pins.gathersWeights == nil ? 2 : 1)
    return space.shards(choices).count * gathers * each(choices)
  }

  mutating func of(_ node: PlanNode) -> Int { each(node.choices) }

  /// Placements times schedules and cuts.
  private mutating func each(_ choices: PlanChoices) -> Int {
    let stages = choices.degree("pipeline")
    let pipeline = Pipeline(stages: stages, microBatches: choices.microBatches)
    let cuts = self.cuts[pipeline] ?? cuts(of: pipeline)
    self.cuts[pipeline] = cuts
    let placements =
      self.placements[choices.mesh]
      ?? Placement.all(choices.mesh, perNode: request.cluster.devicesPerNode).count
    self.placements[choices.mesh] = placements
    return cuts * placements
  }

  private func cuts(of pipeline: Pipeline) -> Int {
    space.orders(stages: pipeline.stages, microBatches: pipeline.microBatches).count
      * StageCut.count(layers: training.model.layers, stages: pipeline.stages)
  }
}

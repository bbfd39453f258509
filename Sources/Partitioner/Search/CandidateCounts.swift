import PlanIR

/// How many candidates there are of what is left out together, counted with those that coincide: every
/// placement, form of gathering, schedule and cut.
struct CandidateCounts {
  private let request: SearchRequest
  private let space: CandidateSpace
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
    of(split, choices, microBatches: space.microBatches(data: split.data))
  }

  /// As above in micro-batches of `sizes`.
  mutating func of(
    _ split: DeviceSplit, _ choices: PlanChoices, microBatches sizes: [Int]
  ) -> Int {
    var choices = choices
    choices.mesh = Mesh(split.outerAxes + choices.mesh.axes.filter { !split.isOuter($0) })
    let pins = request.pins
    let gathers =
      (pins.gathersInputs == nil ? 2 : 1) * (pins.gathersWeights == nil ? 2 : 1)
    var ways = 0
    for size in sizes {
      let microBatches = training.workload.globalBatch / split.data / size
      ways += cuts(stages: split.stages, microBatches: microBatches)
    }
    return space.shards(choices).count * gathers * ways * placements(choices.mesh)
  }

  /// Placements times schedules and cuts.
  mutating func of(_ node: PlanNode) -> Int {
    let choices = node.choices
    return cuts(stages: choices.degree("pipeline"), microBatches: choices.microBatches)
      * placements(choices.mesh)
  }

  private func placements(_ mesh: Mesh) -> Int {
    Placement.count(mesh, perNode: request.cluster.devicesPerNode)
  }

  private mutating func cuts(stages: Int, microBatches: Int) -> Int {
    let pipeline = Pipeline(stages: stages, microBatches: microBatches)
    if let known = cuts[pipeline] { return known }
    let made =
      space.orders(stages: stages, microBatches: microBatches).count
      * CutSpace(layers: training.layers, stages: stages).count
    cuts[pipeline] = made
    return made
  }
}

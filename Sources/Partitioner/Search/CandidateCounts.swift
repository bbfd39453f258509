import PlanIR

/// How many candidates there are of what is left out together, counted with those that coincide: every
/// placement, form of gathering, schedule and cut.
struct CandidateCounts {
  private let request: SearchRequest
  private let space: CandidateSpace
  private var cuts: [Pipeline: Int] = [:]
  /// Schedules and cuts of all micro-batches.
  private var ways: [Stages: Int] = [:]
  private var forms: [Form: Int] = [:]

  private struct Pipeline: Hashable {
    let stages, microBatches: Int
  }

  private struct Stages: Hashable {
    let data, stages: Int
  }

  /// What decides how many ways there are to shard and to place what has one form of layers.
  private struct Form: Hashable {
    let split: DeviceSplit
    let layout: LayoutName
    let mesh: Mesh
  }

  init(_ request: SearchRequest, _ space: CandidateSpace) {
    self.request = request
    self.space = space
  }

  private var training: TrainingGraph { request.training }

  /// Of one form of layers under a split of devices.
  mutating func of(_ split: DeviceSplit, _ choices: PlanChoices) -> Int {
    let stages = Stages(data: split.data, stages: split.stages)
    let known = ways[stages] ?? ways(split, space.microBatches(data: split.data))
    ways[stages] = known
    return known * forms(split, choices)
  }

  /// As above in micro-batches of `sizes`.
  mutating func of(
    _ split: DeviceSplit, _ choices: PlanChoices, microBatches sizes: [Int]
  ) -> Int {
    ways(split, sizes) * forms(split, choices)
  }

  /// Micro-batches of `sizes` times schedules and cuts.
  private mutating func ways(_ split: DeviceSplit, _ sizes: [Int]) -> Int {
    var ways = 0
    for size in sizes {
      let microBatches = training.workload.globalBatch / split.data / size
      ways += cuts(stages: split.stages, microBatches: microBatches)
    }
    return ways
  }

  /// Ways to gather, shard and place.
  private mutating func forms(_ split: DeviceSplit, _ choices: PlanChoices) -> Int {
    let form = Form(split: split, layout: choices.layout, mesh: choices.mesh)
    if let known = forms[form] { return known }
    var choices = choices
    choices.mesh = Mesh(split.outerAxes + choices.mesh.axes.filter { !split.isOuter($0) })
    let pins = request.pins
    let gathers =
      (pins.gathersInputs == nil ? 2 : 1) * (pins.gathersWeights == nil ? 2 : 1)
    let made = space.shards(choices).count * gathers * placements(choices.mesh)
    forms[form] = made
    return made
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

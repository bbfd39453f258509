import Executor
import Partitioner
import PlanIR

/// Draws models and plans for them, mixtures among them, until one can be lowered.
package struct RandomPlan {
  private let generator, zeroGenerator: CounterGenerator
  private var drawn: UInt64 = 0

  package init(seed: UInt64) {
    generator = CounterGenerator(seed: seed, name: "plans")
    zeroGenerator = CounterGenerator(seed: seed, name: "zero")
  }

  /// A proof on `devices` threads of a drawn model under a drawn plan.
  package mutating func proof(devices: Int) -> ProofCase {
    while true {
      var proof = model()
      let choices = choices(proof, devices: devices)
      proof.given = choices
      proof.workload.globalBatch =
        choices.degree("data") * choices.microBatch * choices.microBatches
      if (try? proof.plan()) != nil { return proof }
    }
  }

  /// As above with stages, a schedule, context, recomputation and any sharding over data.
  package mutating func stagedProof(devices: Int) -> ProofCase {
    while true {
      var proof = model()
      proof.sample.layers = pick([2, 3, 4, 5])
      let stages = pick([1, 2, 2, 4].filter { devices % $0 == 0 })
      let context = pick([1, 1, 2, 4].filter { devices / stages % $0 == 0 })
      var choices = choices(proof, devices: devices / stages / context)
      let axes = choices.mesh.axes
      let outer = [MeshAxis("pipeline", stages), MeshAxis("context", context)]
      choices.mesh = Mesh(
        axes.filter { $0.name == "data" } + outer + axes.filter { $0.name != "data" })
      if stages > 1 {
        choices.schedule = pick([.gpipe, .oneForwardOneBackward, .interleaved, .zeroBubble])
        choices.interleave = choices.schedule == .interleaved ? pick([2, 3]) : 1
        choices.tableGradients = .apart
      }
      if context > 1 {
        choices.contextAttention = pick([.allToAll, .ring, .ring])
        proof.sample.window = pick([nil, nil, 3])
      }
      choices.microBatches = pick([1, 2, 3, 4, 6])
      choices.recompute = pick([.none, .selective, .full, .mixed])
      let even = StageMap.even(layers: proof.sample.layers, stages: stages)
      choices.stages = even.map { stage($0, choices.recompute, proof.workload.attention) }
      proof.given = choices
      proof.workload.globalBatch =
        choices.degree("data") * choices.microBatch * choices.microBatches
      if (try? proof.plan()) != nil { return proof }
    }
  }

  private mutating func stage(
    _ layers: Int, _ recompute: Recomputation, _ attention: AttentionForm
  ) -> StageChoice {
    guard recompute == .mixed else { return StageChoice(layers: layers, recompute) }
    let full = pick(Array(0...layers))
    let selective = attention == .unfused ? pick(Array(0...(layers - full))) : 0
    return StageChoice(
      layers: layers, recomputeNone: layers - full - selective, recomputeSelective: selective,
      recomputeFull: full)
  }

  mutating func pick<Value>(_ values: [Value]) -> Value {
    drawn += 1
    return values[generator.integer(below: values.count, at: drawn)]
  }

  private mutating func model() -> ProofCase {
    var proof = ProofCase()
    proof.seed = UInt64(pick(Array(0..<1000)))
    proof.isLlama = pick([false, true])
    let heads = pick([2, 4, 6, 8, 12])
    proof.sample.heads = heads
    proof.sample.keyValueHeads =
      proof.isLlama ? pick([1, 2, 3, 4, 6, 8, 12].filter { heads % $0 == 0 }) : heads
    proof.sample.headWidth = pick([2, 4, 6])
    proof.sample.hidden = pick([8, 12, 16, 24, 48])
    proof.sample.wide = pick([16, 24, 48])
    proof.sample.vocabulary = pick([17, 50, 129])
    proof.sample.layers = pick([1, 2, 3])
    proof.sample.isTied = pick([false, true])
    proof.sample.normalisesHeads = proof.isLlama && pick([false, true])
    proof.sample.hasAttentionBias = pick([false, true])
    proof.workload.sequence = pick([6, 8, 12])
    proof.sample.positions = proof.workload.sequence + pick([0, 3])
    proof.workload.attention = pick([.fused, .unfused])
    proof.workload.dropout = pick([0, 0, 0.2])
    proof.workload.precision = pick(Precision.allCases)
    proof.workload.optimizer = pick(Optimizer.allCases)
    proof.workload.padVocabulary = pick([1, 8, 128])
    proof.settings.dtype = .float64
    return proof
  }

  private mutating func choices(_ proof: ProofCase, devices: Int) -> PlanChoices {
    let data = pick([1, 1, 2].filter { devices % $0 == 0 })
    let tensor = devices / data
    let isMixed = pick([false, false, true])
    let one = shape(tensor)
    var blocks: [BlockClass: (layout: any Layout, degrees: [Int])] = [:]
    for blockClass in BlockClass.allCases { blocks[blockClass] = isMixed ? shape(tensor) : one }
    let most = blocks.values.map { rank($0.degrees) }.max() ?? 0
    let finest = BlockClass.allCases.first { rank(blocks[$0]?.degrees ?? []) == most }
    let named = finest.flatMap { blocks[$0] } ?? one
    let axes = zip(named.layout.axisNames, named.degrees).map { MeshAxis($0, $1) }
    var choices = PlanChoices(
      layout: isMixed ? .mixed : one.layout.name,
      blocks: blocks.mapValues { $0.layout.name }, mesh: Mesh([MeshAxis("data", data)] + axes),
      placement: [], sequenceParallel: pick([false, true]), gathersInputs: pick([.saved, .again]),
      keyValue: pick([.copied, .gathered]), microBatch: pick([1, 2, 4, 6, 8, 12]),
      microBatches: pick([1, 2, 3]), layers: proof.sample.layers)
    choices.gathersWeights = pick([.saved, .again])
    choices.matmul = pick([.gathered, .gathered, .stepped])
    choices.tableForm = pick(TableForm.allCases)
    choices.tableGradients = pick(TableGradients.allCases)
    if isMixed { choices.blockMeshes = blocks.mapValues(\.degrees) }
    let over = (["data"] + named.layout.copyAxes).filter { choices.mesh.axis($0) != nil }
    choices.weightsOver = over.filter { _ in pick([false, false, true]) }
    choices.zero = choices.weightsOver.contains("data") ? 3 : zero(choices)
    return choices
  }

  /// What is sharded over data beside whole weights; drawn apart, so that what else is drawn does not
  /// depend on it.
  private func zero(_ choices: PlanChoices) -> Int {
    guard choices.weightsOver.isEmpty else { return 0 }
    return zeroGenerator.integer(below: 3, at: drawn)
  }

  private func rank(_ degrees: [Int]) -> Int { degrees.count { $0 > 1 } }

  private mutating func shape(_ devices: Int) -> (layout: any Layout, degrees: [Int]) {
    let layout = pick(LayoutCatalog.all.filter { devices == 1 || $0.name != .data })
    var left = devices
    var degrees: [Int] = []
    for place in layout.axisNames.indices {
      let isLast = place == layout.axisNames.count - 1
      let degree = isLast ? left : pick((1...left).filter { left % $0 == 0 })
      degrees.append(degree)
      left /= degree
    }
    return (layout, degrees)
  }
}

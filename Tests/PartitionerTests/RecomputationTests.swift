import Partitioner
import PlanIR
import TestSupport
import Testing

/// What recomputation and stages keep, against the published formulas (Korthikanti et al., arXiv
/// 2205.05198, section 4), in 16 bit, with unfused attention and stored dropout masks.
@Suite struct RecomputationTests {
  private static var proof: ProofCase {
    var proof = ProofCase()
    (proof.sample.hidden, proof.sample.headWidth, proof.sample.wide) = (32, 4, 128)
    proof.sample.layers = 4
    proof.workload.attention = .unfused
    proof.workload.dropout = 0.1
    return proof
  }

  /// Bytes that all layers keep of one micro-batch past the forward pass, of the device that keeps most:
  /// what is taken after it, buffers handed through several slots counted once.
  private func kept(_ proof: ProofCase) throws -> Int {
    let (_, program) = try proof.plan()
    let stage = try #require(program.stages.first)
    return stage.calls.reduce(0) { sum, call in
      let body = program.bodies[call.body]
      let isLayer = body.blockClass == .attention || body.blockClass == .mlp
      guard call.phase == .forward, call.microBatch == 0, isLayer else { return sum }
      let kept = body.gives.filter {
        if case .kept = $0.slot { true } else { false }
      }
      return sum
        + Set(kept.map(\.buffer)).reduce(0) { sum, buffer in
          let type = body.buffers[buffer].type
          return sum + type.localCount * program.precision.bytes(of: type.width)
        }
    }
  }

  @Test(arguments: [1, 2, 4], [false, true])
  func `selective recomputation keeps all but the attention core`(
    tensor: Int, isParallel: Bool
  ) throws {
    if tensor == 1 && isParallel { return }
    var proof = Self.proof
    (proof.tensor, proof.sequenceParallel, proof.gathersInputs) = (tensor, isParallel, .again)
    proof.recompute = .selective
    let (tokens, hidden) = (proof.workload.tokens, proof.sample.hidden)
    let statistics = 2 * 2 * 4 * tokens
    let each =
      isParallel
      ? (34 * tokens * hidden + statistics) / tensor
      : 10 * tokens * hidden + 24 * tokens * hidden / tensor + statistics
    #expect(try kept(proof) == proof.sample.layers * each)
  }

  @Test(arguments: [1, 2, 4], [false, true])
  func `full recomputation keeps the input of each layer`(tensor: Int, isParallel: Bool) throws {
    if tensor == 1 && isParallel { return }
    var proof = Self.proof
    (proof.tensor, proof.sequenceParallel, proof.recompute) = (tensor, isParallel, .full)
    let whole = 2 * proof.workload.tokens * proof.sample.hidden
    let each = isParallel ? whole / tensor : whole
    #expect(try kept(proof) == proof.sample.layers * each)
  }

  /// Without dropout, whose mask is drawn with the output, the layer's last product need not be computed
  /// again.
  @Test func `what is computed again is the forward pass without the layer's output`() throws {
    var proof = Self.proof
    (proof.recompute, proof.workload.dropout) = (.full, 0)
    let (_, program) = try proof.plan()
    func products(_ phase: Phase) -> Int {
      Set(program.stages[0].calls.filter { $0.phase == phase }.map(\.body)).reduce(0) {
        let body = program.bodies[$1]
        guard body.blockClass == .attention || body.blockClass == .mlp else { return $0 }
        return $0
          + body.instructions.count {
            if case .kernel(let call) = $0, case .operation(.matmul) = call.kind {
              true
            } else {
              false
            }
          }
      }
    }
    // Query, key, value, out; up, down.
    #expect(products(.forward) == 6)
    #expect(products(.recompute) == 5)
  }

  /// Activations above the first stage's of one micro-batch: 1F1B holds P micro-batches on stage 0, as
  /// many layers as the whole model; interleaving 1 + (P - 1)/(P V) times as many (section 4.2.3).
  @Test(arguments: [(2, 1), (4, 1), (2, 2), (2, 4), (4, 2)])
  func `the first stage holds the published number of layers' activations`(
    stages: Int, chunks: Int
  ) throws {
    var proof = Self.proof
    proof.sample.layers = 8
    (proof.pipeline, proof.interleave) = (stages, chunks)
    proof.schedule = chunks > 1 ? .interleaved : .oneForwardOneBackward
    proof.microBatches = 4 * stages
    proof.workload.globalBatch = 4 * proof.microBatches
    let (_, program) = try proof.plan()
    var (held, most) = (0, 0)
    for call in program.stages[0].calls {
      let blockClass = program.bodies[call.body].blockClass
      guard blockClass == .attention, call.position.block == 0 else { continue }
      if call.phase == .forward { held += 1 }
      if call.phase == .weightGradient { held -= 1 }
      most = max(most, held)
    }
    let layers = proof.sample.layers
    let more = chunks > 1 ? layers * (stages - 1) / (stages * chunks) : 0
    #expect(most == layers + more)
  }

  @Test func `fewer layers than stages are refused, with what fits`() throws {
    var proof = Self.proof
    (proof.pipeline, proof.schedule) = (4, .gpipe)
    proof.stages = [2, 0, 1, 1]
    let error = #expect(throws: ConstraintViolation.self) { try proof.plan() }
    #expect(error?.remedy == "--pipeline 4")
    proof.stages = [0, 2, 1, 1]
    #expect(throws: Never.self) { try proof.plan() }
  }

  @Test(arguments: [1, 3, 5]) func `interleaving refuses micro-batches that stages do not divide`(
    microBatches: Int
  ) throws {
    var proof = Self.proof
    (proof.pipeline, proof.schedule, proof.interleave) = (2, .interleaved, 2)
    proof.microBatches = microBatches
    proof.workload.globalBatch = 4 * microBatches
    let error = #expect(throws: ConstraintViolation.self) { try proof.plan() }
    #expect(error?.found == "\(microBatches) micro-batches over 2 stages")
  }

  /// The search for `--recompute mixed` against every cut and every number of layers on each stage that are
  /// computed again, whole or in part.
  @Test(arguments: [0.2, 0.5, 0.8, 1.1])
  func `as few layers as fit are recomputed, by search and by trial`(room: Double) throws {
    var proof = Self.proof
    (proof.sample.layers, proof.pipeline, proof.schedule) = (6, 2, .oneForwardOneBackward)
    (proof.tensor, proof.microBatches, proof.workload.globalBatch) = (2, 4, 16)
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    func predicted(_ stages: [StageChoice]) throws -> Prediction {
      var choices = proof.choices
      (choices.stages, choices.recompute) = (stages, .mixed)
      return try Partitioner.predict(
        training, choices: choices, cluster: SyntheticCluster.cluster)
    }
    /// A stage of `layers` in every form.
    func forms(_ layers: Int) -> [StageChoice] {
      (0...layers).flatMap { full in
        (0...layers - full).map { core in
          StageChoice(
            layers: layers, recomputeNone: layers - full - core, recomputeSelective: core,
            recomputeFull: full)
        }
      }
    }
    let all = try (0...6).flatMap { layers in
      try forms(layers).flatMap { first in
        try forms(6 - layers).map { try predicted([first, $0]) }
      }
    }
    let sizes = all.map(\.memory.total.count)
    let (least, most) = (try #require(sizes.min()), try #require(sizes.max()))
    let limit = Bytes(least + Int(Double(most - least) * room))
    let expected = try #require(
      all.filter { $0.memory.total <= limit }.map(\.step).min())
    var pins = Pins()
    (pins.layout, pins.tensor, pins.pipeline, pins.microBatch) = (.megatron, 2, 2, 4)
    (pins.schedule, pins.recompute, pins.sequenceParallel) = (.oneForwardOneBackward, .mixed, false)
    (pins.gathersInputs, pins.gathersWeights, pins.zero) = (.saved, .saved, 0)
    let answer = Search.run(
      SearchRequest(
        training: training, cluster: SyntheticCluster.cluster, devices: 4, memory: .bytes(limit),
        pins: pins))
    let best = try #require(answer.plans.first)
    #expect(best.predicted.step == expected)
    #expect(best.predicted.memory.total <= limit)
    #expect(answer.mispriced.isEmpty)
  }
}

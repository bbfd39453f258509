import Executor
import Partitioner
import PlanIR
import Proof
import TestSupport
import Testing

/// Ring attention over a context axis: numbers, bytes and memory under every layout.
@Suite struct RingAttentionTests {
  private static let layouts: [(LayoutName?, [Int])] = [
    (nil, [1]), (nil, [2]), (.summa, [2, 2]), (.tesseract, [1, 2, 2]),
    (.threeDimensional, [2, 1, 2]), (.stationary, [2, 2]), (.sequence, [2]),
  ]

  /// Every layout over two and four devices, of both families: learned positions, rotary ones with
  /// fewer key/value heads; heads that the context would not divide; with and without dropout,
  /// stages, recomputation and optimizer state sharded over data.
  static var cases: [ProofCase] {
    layouts.enumerated().flatMap { place, entry in
      [(2, 1, false), (4, 1, true), (2, 2, true), (2, 2, false)].enumerated().map { row, shape in
        let (context, pipeline, isLlama) = shape
        var proof = ProofCase()
        (proof.layout, proof.mesh) = (entry.0, entry.0 == nil ? [] : entry.1)
        if entry.0 == nil { proof.tensor = entry.1[0] }
        proof.sequenceParallel = entry.0 == nil && proof.tensor > 1 && row % 2 == 0
        (proof.context, proof.pipeline) = (context, pipeline)
        proof.contextAttention = .ring
        proof.schedule = pipeline > 1 ? (isLlama ? .zeroBubble : .oneForwardOneBackward) : .none
        (proof.isLlama, proof.sample.isTied) = (isLlama, !isLlama)
        proof.sample.keyValueHeads = isLlama ? (place % 2 == 0 ? 4 : 1) : 8
        proof.keyValue = place % 4 < 2 ? .copied : .gathered
        proof.sample.layers = 2
        proof.workload.dropout = row % 2 == 0 ? 0.1 : 0
        proof.recompute = row == 3 ? .full : .none
        proof.gathersInputs = context == 4 ? .again : .saved
        let isSharded = pipeline == 1 && context == 2
        (proof.data, proof.zero) = (isSharded ? 2 : 1, isSharded ? 1 + place % 2 : 0)
        (proof.microBatches, proof.workload.globalBatch) = (2, 8 * proof.data)
        proof.settings.dtype = (place + row) % 2 == 0 ? .float64 : .float32
        return proof
      }
    }
  }

  @Test(arguments: cases)
  func `keys and values may go round a ring`(proof: ProofCase) throws {
    let (_, program) = try proof.plan()
    let broken = ProgramVerifier.faults(of: program)
    #expect(broken.isEmpty, "\(proof): \(broken)")
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let goesRound = verdict.traffic.contains {
      $0.axis == "context" && $0.collective == "permute"
    }
    #expect(goesRound, "\(proof)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  // MARK: - What goes through the order of the sequence

  private static var small: ProofCase {
    var proof = ProofCase()
    (proof.context, proof.contextAttention) = (4, .ring)
    (proof.sample.heads, proof.sample.keyValueHeads, proof.sample.headWidth) = (2, 2, 16)
    proof.settings.dtype = .float64
    return proof
  }

  /// One kind of data each: a table of positions cut into chunks and longer than the sequence, over
  /// updates; windows; the stream and its gradient of layers alone; attention without a mask; a
  /// sequence split further; a ring of three; blocks of unlike layouts.
  static var variants: [ProofCase] {
    var sharded = small
    (sharded.data, sharded.weightsOver) = (2, ["data"])
    (sharded.workload.sequence, sharded.workload.optimizer) = (8, .adamw)
    (sharded.settings.steps, sharded.workload.dropout) = (3, 0.2)
    var chunked = small
    (chunked.layout, chunked.mesh, chunked.context) = (.sequence, [2], 2)
    chunked.weightsOver = ["tensor"]
    var windowed = small
    (windowed.isLlama, windowed.sample.window) = (true, 5)
    var layers = small
    (layers.sample.hasEmbedding, layers.sample.hasHead) = (false, false)
    (layers.isLlama, layers.microBatches) = (true, 2)
    var unmasked = small
    (unmasked.sample.causal, unmasked.workload.dropout) = (false, 0.1)
    var parallel = small
    (parallel.tensor, parallel.sequenceParallel, parallel.isLlama) = (2, true, true)
    parallel.sample.keyValueHeads = 1
    var odd = small
    (odd.context, odd.workload.sequence, odd.workload.dropout) = (3, 12, 0.1)
    return [sharded, chunked, windowed, layers, unmasked, parallel, odd, mixed]
  }

  /// Megatron attention between SUMMA embeddings, mlps and heads.
  private static var mixed: ProofCase {
    var proof = small
    proof.context = 2
    var choices = proof.choices
    choices.layout = .mixed
    choices.mesh = Mesh([MeshAxis("context", 2), MeshAxis("row", 2), MeshAxis("col", 2)])
    for blockClass in BlockClass.allCases {
      choices.blocks[blockClass] = blockClass == .attention ? .megatron : .summa
      choices.blockMeshes[blockClass] = blockClass == .attention ? [4] : [2, 2]
    }
    proof.sample.heads = 4
    (proof.sample.keyValueHeads, proof.sample.headWidth) = (4, 8)
    proof.given = choices
    return proof
  }

  @Test(arguments: variants)
  func `all that is at a position stays at it`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    if proof.settings.steps > 1 {
      #expect(try #require(verdict.parameterError) < 1e-8)
    }
    guard !proof.sample.hasEmbedding else { return }
    let gradient = try #require(verdict.run.tensors["grad.input"])
    #expect(gradient.contains { $0 != 0 })
  }

  @Test(arguments: [SequenceOrder.identity, .zigzag(parts: 1), .zigzag(parts: 2)])
  func `the order of the sequence decides who works on what, not what comes out`(
    order: SequenceOrder
  ) throws {
    var proof = Self.small
    proof.workload.dropout = 0.1
    let verdict = try proof.run { $0.sequenceOrder = order }
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(faults)")
  }

  @Test(arguments: [-1, 2, 0])
  func `a hop to another device than the next is caught`(shift: Int) throws {
    let proof = Self.small
    let (_, program) = try proof.plan()
    var hops = 0
    for (body, description) in program.bodies.enumerated() {
      for (place, instruction) in description.instructions.enumerated() {
        guard case .start(let token, .permute, let axes, let from, let into) = instruction
        else { continue }
        hops += 1
        let isValid = try proof.run { program in
          program.bodies[body].instructions[place] = .start(
            token, .permute(shift: shift), over: axes, from: from, into: into)
        }.isValid
        #expect(!isValid, "hop \(hops) of \(description.name)")
      }
    }
    #expect(hops == 2 * 3 + 2 * 3 + 2 * 4)
  }

  @Test func `a run in bfloat16 sums steps in float32`() throws {
    var proof = Self.small
    proof.settings.dtype = .bfloat16
    let verdict = try proof.run()
    #expect(verdict.isValid)
    let deviation = try #require(verdict.errors?.loss)
    #expect(deviation < 0.05)
  }
}

import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// A proof that cannot fail proves nothing: every collective of a program is spoilt in turn, and
/// each time validation must notice.
@Suite struct MutationTests {
  enum Mutation: CaseIterable { case dropped, doubled, widened, misdirected }

  static var proof: ProofCase {
    var proof = ProofCase()
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 4, true)
    proof.gathersInputs = .again
    proof.isLlama = true
    proof.sample.keyValueHeads = 2
    proof.sample.layers = 1
    proof.settings.dtype = .float64
    return proof
  }

  /// One plan for each kind of collective: all-gather, reduce-scatter and all-reduce of Megatron,
  /// broadcast and reduce of panels, all-to-all of sequence rows, permute of a ring, chunks of sharded
  /// weights and of optimizer state, and two axes at once of 3-D.
  static var proofs: [ProofCase] {
    func small(_ layout: LayoutName, _ mesh: [Int], data: Int = 1) -> ProofCase {
      var proof = ProofCase()
      (proof.layout, proof.mesh, proof.data) = (layout, mesh, data)
      (proof.sample.layers, proof.settings.dtype) = (1, .float64)
      return proof
    }
    var stepped = small(.summa, [2, 2])
    stepped.matmul = .stepped
    var sharded = small(.tesseract, [1, 2, 2], data: 2)
    sharded.weightsOver = ["data", "depth"]
    let optimizers = [1, 2].map { zero in
      var proof = small(.summa, [2, 1], data: 3)
      (proof.zero, proof.workload.globalBatch) = (zero, 6)
      return proof
    }
    var ring = small(.megatron, [2])
    (ring.context, ring.contextAttention) = (2, .ring)
    return optimizers + [
      ring, proof, stepped, sharded, small(.threeDimensional, [2, 2, 2]), small(.sequence, [4]),
      small(.stationary, [2, 2], data: 2),
    ]
  }

  @Test(arguments: proofs, Mutation.allCases)
  func `each collective spoilt is caught`(proof: ProofCase, mutation: Mutation) throws {
    #expect(try proof.run().isValid)
    let (_, program) = try proof.plan()
    var kinds: Set<String> = []
    for (body, description) in program.bodies.enumerated() {
      // Of collectives alike, as a loop over panels has many, the first in a body.
      var seen: Set<String> = []
      for (place, instruction) in description.instructions.enumerated() {
        guard case .start(_, let collective, let axes, _, _) = instruction else { continue }
        let name =
          "\(mutation) \(collective.text) over \(program.mesh.name(of: axes)) "
          + "in \(description.name)"
        guard seen.insert(name).inserted else { continue }
        kinds.insert(collective.name)
        let isCaught = isCaught(mutation, body, place, proof)
        #expect(isCaught, "\(proof): \(name) passed")
      }
    }
    #expect(kinds.count > 1)
  }

  private func isCaught(
    _ mutation: Mutation, _ body: BodyID, _ place: Int, _ proof: ProofCase
  ) -> Bool {
    do {
      return try !proof.run { program in
        Self.apply(mutation, &program.bodies[body].instructions, place, program.mesh)
      }.isValid
    } catch {
      return true
    }
  }

  private static func apply(
    _ mutation: Mutation, _ instructions: inout [Instruction], _ place: Int, _ mesh: Mesh
  ) {
    guard case .start(let token, let collective, let axes, let from, let into) = instructions[place]
    else { return }
    func replace(_ axes: [AxisReference]) {
      instructions[place] = .start(token, collective, over: axes, from: from, into: into)
    }
    let others = mesh.axes.indices.filter { index in !axes.contains { $0.axis == index } }
      .flatMap { mesh.whole(mesh.axes[$0].name) }
    switch mutation {
    case .dropped:
      instructions.removeAll { $0 == .await(token) }
      instructions.remove(at: place)
    case .doubled:
      let again = Instruction.start(1000, collective, over: axes, from: from, into: into)
      instructions.insert(contentsOf: [again, .await(1000)], at: place)
    case .widened:
      replace(others.isEmpty ? axes + axes : others + axes)
    case .misdirected:
      replace(others.isEmpty ? [] : others)
    }
  }

  @Test func `a device that leaves out a collective is named, not waited for`() throws {
    var proof = Self.proof
    proof.settings.fault = .skipsCollective(device: 3, number: 5)
    let error = #expect(throws: (any Error).self) { try proof.run(validates: false) }
    let text = "\(try #require(error))"
    #expect(text.contains("deadlock") || text.contains("malformed") || text.contains("device"))
  }

  @Test func `one device's failure ends all`() throws {
    struct Failing: WeightSource {
      func read(
        _ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>
      ) throws {
        throw WeightError(tensor: "w", expected: "a tensor", found: "none")
      }
    }
    let (plan, program) = try Self.proof.plan()
    #expect(throws: RunError.self) {
      try Proof(
        plan: plan, program: program, settings: RunSettings(), weights: Failing(),
        batch: Self.proof.batch
      ).run(validates: false)
    }
  }

  @Test func `a token outside the vocabulary is named with its place`() throws {
    let proof = Self.proof
    let (plan, program) = try proof.plan()
    var batch = proof.batch
    batch.tokens[17] = 50
    let expected = RunError.tokenOutOfRange(token: 50, sequence: 1, position: 1, vocabulary: 50)
    #expect(throws: expected) {
      try Proof(
        plan: plan, program: program, settings: proof.settings, weights: RandomWeights(seed: 1),
        batch: batch
      ).run(validates: false)
    }
  }
}

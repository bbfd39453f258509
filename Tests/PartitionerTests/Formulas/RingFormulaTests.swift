import Partitioner
import PlanIR
import TestSupport
import Testing

/// Bytes and work of ring attention against closed formulas (arXiv 2310.01889, section 3), over all
/// devices.
@Suite struct RingFormulaTests {
  private static let layouts: [(LayoutName?, [Int])] = [
    (nil, [1]), (nil, [4]), (.summa, [2, 2]), (.threeDimensional, [2, 1, 2]), (.sequence, [4]),
  ]

  private static func proof(_ place: Int, context: Int, keyValueHeads: Int) -> ProofCase {
    var proof = ProofCase()
    let (layout, mesh) = layouts[place]
    (proof.layout, proof.mesh) = (layout, layout == nil ? [] : mesh)
    if layout == nil { proof.tensor = mesh[0] }
    (proof.context, proof.contextAttention) = (context, .ring)
    (proof.workload.sequence, proof.sample.positions) = (32, 32)
    (proof.isLlama, proof.sample.keyValueHeads) = (keyValueHeads < 8, keyValueHeads)
    return proof
  }

  @Test(arguments: layouts.indices, [(2, 8, Precision.mixed), (4, 4, .fp32), (8, 8, .bf16)])
  func `keys and values hop between steps, their gradients home`(
    place: Int, form: (context: Int, keyValueHeads: Int, precision: Precision)
  ) throws {
    let context = form.context
    var proof = Self.proof(place, context: context, keyValueHeads: form.keyValueHeads)
    proof.workload.precision = form.precision
    let of = try FormulaCase(proof)
    func hops(_ phase: Phase) -> Int {
      of.traffic(["attention"], phase).bytes["context permute"] ?? 0
    }
    // All devices together hold keys and values once, and each sends what it holds.
    let both = 2 * of.rows * of.keyValueWidth
    #expect(hops(.forward) == both * of.value * (context - 1))
    let gradients = both * of.statistic * context
    #expect(hops(.inputGradient) == both * of.value * (context - 1) + gradients)
    #expect(hops(.weightGradient) == 0)
    let step = try of.step().bytes["context permute"]
    #expect(step == (hops(.forward) + hops(.inputGradient)) * proof.sample.layers)
    let exchanges = try of.step().bytes.keys.filter {
      $0.contains("context") && $0.contains("all-to-all")
    }
    #expect(exchanges.isEmpty, "\(proof)")
  }

  @Test(arguments: [2, 4, 8])
  func `a device keeps its part of what a layer saves whole`(context: Int) throws {
    var proof = Self.proof(0, context: context, keyValueHeads: 4)
    let ring = try FormulaCase(proof).keptOfLayer
    (proof.context, proof.contextAttention) = (1, .allToAll)
    let whole = try FormulaCase(proof).keptOfLayer
    #expect(ring * context == whole)
  }

  /// The pairs of positions that every step of `program` attends to, by device, hops and direction.
  private func pairs(_ program: Program) -> [[Int]] {
    (0..<program.mesh.deviceCount).map { device in
      program.bodies.flatMap { body in
        body.instructions.compactMap { instruction -> Int? in
          guard case .kernel(let call) = instruction else { return nil }
          let types = call.reads.map { body.buffers[$0].type }
          let (query, key): (TensorType, TensorType)
          let ring: RingHop
          switch call.kind {
          case .attentionStep(_, let hop): (query, key, ring) = (types[0], types[1], hop)
          case .attentionGradientStep(_, let hop): (query, key, ring) = (types[1], types[2], hop)
          default: return nil
          }
          let source = ring.source(of: device, in: program.mesh)
          let keys = program.positions(of: key, on: source)
          return program.positions(of: query, on: device).reduce(0) { sum, query in
            sum + keys.count { $0 <= query }
          }
        }
      }
    }
  }

  @Test(arguments: layouts.indices, [2, 4])
  func `every device attends to as many pairs in each step as any other`(
    place: Int, context: Int
  ) throws {
    var (_, program) = try Self.proof(place, context: context, keyValueHeads: 8).plan()
    let balanced = pairs(program)
    #expect(Set(balanced).count == 1)
    // A forward and a backward ring, in each of which all devices together see every pair once.
    let sequence = program.sequence
    let devices = program.mesh.deviceCount / context
    let all = balanced.joined().reduce(0, +)
    #expect(all == 2 * devices * sequence * (sequence + 1) / 2)
    program.sequenceOrder = .identity
    #expect(Set(pairs(program)).count == context)
  }

  @Test(arguments: layouts.indices, [true, false])
  func `steps add up to the work of attention over whole sequences`(
    place: Int, causal: Bool
  ) throws {
    func flops(_ attention: ContextAttention) throws -> Int {
      var proof = Self.proof(place, context: 2, keyValueHeads: 8)
      (proof.contextAttention, proof.sample.causal) = (attention, causal)
      let (plan, program) = try proof.plan()
      return program.bodies.reduce(0) { sum, body in
        body.instructions.reduce(sum) { sum, instruction in
          guard case .kernel(let call) = instruction, call.kind.name.hasPrefix("attention")
          else { return sum }
          return sum
            + KernelWork(call, in: body, precision: plan.workload.precision).flops
        }
      }
    }
    let (ring, whole) = (try flops(.ring), try flops(.allToAll))
    #expect(ring == whole && ring > 0)
  }

  @Test func `heads need not be divisible by the context`() throws {
    var proof = Self.proof(1, context: 4, keyValueHeads: 8)
    (proof.sample.heads, proof.sample.keyValueHeads) = (4, 4)
    proof.sample.headWidth = 8
    _ = try proof.plan()
    proof.contextAttention = .allToAll
    let violation = #expect(throws: ConstraintViolation.self) { try proof.plan() }
    #expect(violation?.constraint.hasPrefix("heads divisible by") == true)
  }

  @Test func `what cannot go round is refused by name`() throws {
    func refusal(_ change: (inout ProofCase) -> Void) -> String {
      var proof = Self.proof(0, context: 4, keyValueHeads: 8)
      change(&proof)
      let violation = #expect(throws: ConstraintViolation.self) { try proof.plan() }
      return violation.map { "\($0)" } ?? ""
    }
    #expect(
      refusal { $0.workload.attention = .unfused }
        == "ring attention is fused: it never has a row of scores whole: found attention unfused, "
        + "needed attention fused; try --attention fused, or --context-attention all-to-all")
    #expect(
      refusal { $0.workload.sequence = 12 }
        == "sequence divisible by twice the context, for ring attention: found sequence 12, "
        + "context 4, needed 12 % 8 == 0; try --sequence 8, or --context-attention all-to-all")
    #expect(
      refusal { $0.context = 1 }
        == "ring attention goes round a context axis: found context 1, needed context 2 or more; "
        + "try --context 2, or --context-attention all-to-all")
  }
}

import Partitioner
import PlanIR
import TestSupport
import Testing

/// Operations of attention, against pairs of queries and keys that are counted one by one.
@Suite struct AttentionWorkTests {
  private static let sequence = 64

  private static func proof(_ attention: AttentionForm, window: Int?) -> ProofCase {
    var proof = ProofCase()
    (proof.tensor, proof.microBatches) = (1, 1)
    (proof.sample.window, proof.sample.positions) = (window, sequence)
    (proof.workload.attention, proof.workload.sequence) = (attention, sequence)
    return proof
  }

  /// FLOPs of the kernels of attention in one layer's bodies of `phases`.
  private func flops(_ proof: ProofCase, _ phases: Set<Phase>) throws -> Int {
    let program = try proof.plan().program
    var sum = 0
    for body in program.bodies where phases.contains(body.phase) && body.blockClass == .attention {
      for case .kernel(let call) in body.instructions {
        guard case .operation(let kind) = call.kind, kind.name.hasPrefix("attention") else {
          continue
        }
        sum += KernelWork(call, in: body, precision: proof.workload.precision).flops
      }
    }
    return sum
  }

  /// FLOPs of one product of as many pairs of a query and a key in every head.
  private func product(_ proof: ProofCase, pairs: Int) -> Int {
    2 * proof.workload.globalBatch * proof.sample.heads * proof.sample.headWidth * pairs
  }

  @Test(arguments: [nil, 1, 4, 16, 64, 1000])
  func `fused attention computes what its mask and window leave`(window: Int?) throws {
    let proof = Self.proof(.fused, window: window)
    let pairs = (0..<Self.sequence).reduce(0) { sum, query in
      sum + (0...query).count { query - $0 < window ?? Self.sequence }
    }
    for (products, phases) in [(2, Set([Phase.forward])), (5, [.inputGradient, .weightGradient])] {
      let expected = Double(products * product(proof, pairs: pairs))
      let found = Double(try flops(proof, phases))
      // The formula counts a query and the key of its own place as half a pair.
      let half = Double(products * product(proof, pairs: Self.sequence)) / 2
      #expect(abs(found - expected) <= half, "\(found) of \(expected)")
    }
  }

  @Test(arguments: [nil, 4])
  func `attention op by op computes whole products, two forward and four backward`(
    window: Int?
  ) throws {
    let proof = Self.proof(.unfused, window: window)
    let whole = product(proof, pairs: Self.sequence * Self.sequence)
    #expect(try flops(proof, [.forward]) == 2 * whole)
    #expect(try flops(proof, [.inputGradient, .weightGradient]) == 4 * whole)
  }
}

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
}

import Partitioner
import PlanIR
import TestSupport
import Testing

/// The two forms of attention over a context axis, as the search weighs them.
@Suite struct RingSearchTests {
  private func answer(
    heads: Int, attention: AttentionForm = .fused, _ pin: ContextAttention? = nil
  ) throws -> SearchAnswer {
    var proof = ProofCase()
    (proof.sample.heads, proof.sample.keyValueHeads) = (heads, heads)
    proof.sample.headWidth = 32 / heads
    proof.workload.attention = attention
    var pins = Pins()
    (pins.context, pins.contextAttention) = (4, pin)
    (pins.pipeline, pins.recompute) = (1, Recomputation.none)
    return Search.run(
      SearchRequest(
        training: try TrainingGraph(model: proof.model, workload: proof.workload),
        cluster: SyntheticCluster.cluster, devices: 8, pins: pins, exhaustive: true, keep: 1000))
  }

  private func forms(_ answer: SearchAnswer) -> Set<ContextAttention> {
    Set(answer.plans.map(\.choices.contextAttention))
  }

  @Test func `both are searched, and what is priced is what is lowered`() throws {
    let both = try answer(heads: 8)
    #expect(both.mispriced.isEmpty, "\(both.mispriced)")
    #expect(forms(both) == [.allToAll, .ring])
    let (ring, exchange) = (try answer(heads: 8, .ring), try answer(heads: 8, .allToAll))
    #expect(forms(ring) == [.ring])
    #expect(forms(exchange) == [.allToAll])
    #expect(ring.space.evaluated + exchange.space.evaluated == both.space.evaluated)
    let best = [ring, exchange].compactMap { $0.plans.first?.predicted.step }.min()
    #expect(both.plans.first?.predicted.step == best)
  }

  @Test func `more devices than heads leave the ring`() throws {
    #expect(forms(try answer(heads: 2)) == [.ring])
  }

  @Test func `unfused attention leaves the exchange`() throws {
    #expect(forms(try answer(heads: 8, attention: .unfused)) == [.allToAll])
    let refused = try answer(heads: 8, attention: .unfused, .ring)
    #expect(refused.plans.isEmpty)
    let isNamed = refused.reasons.contains { $0.constraint.hasPrefix("ring attention is fused") }
    #expect(isNamed)
  }

  @Test func `a twin goes round a ring as its plan does`() throws {
    var proof = ProofCase()
    (proof.context, proof.contextAttention, proof.tensor) = (8, .ring, 2)
    (proof.workload.sequence, proof.sample.positions) = (64, 64)
    let twin = try Shrinker.twin(of: try proof.plan().plan)
    #expect(twin.plan.choices.contextAttention == .ring)
    #expect(twin.plan.workload.sequence == 16)
    // Past 64 threads the context is halved, until there is no ring.
    (proof.layout, proof.mesh) = (.summa, [8, 8])
    (proof.sample.hidden, proof.workload.globalBatch) = (64, 8)
    proof.context = 2
    let small = try Shrinker.twin(of: try proof.plan().plan)
    #expect(small.plan.choices.degree("context") == 1)
    #expect(small.plan.choices.contextAttention == .allToAll)
  }
}

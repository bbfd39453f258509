import Partitioner
import PlanIR
import TestSupport
import Testing

/// Bytes against the formulas of Megatron and its sequence parallelism (arXiv 1909.08053, section 3;
/// 2205.05198, section 4.2.2), summed over all devices.
@Suite struct FormulaTests {
  private func traffic(_ proof: ProofCase) throws -> [String: Int] {
    let predicted = try proof.plan().plan.predicted
    return Dictionary(
      uniqueKeysWithValues: predicted.communication.map {
        ("\($0.axis) \($0.collective)", $0.total.count)
      })
  }

  private func elements(_ proof: ProofCase) -> Int {
    proof.workload.tokens * proof.sample.hidden
  }

  @Test(arguments: [2, 4, 8], [1, 2])
  func `a Megatron layer all-reduces twice forward and twice backward`(
    tensor: Int, microBatches: Int
  ) throws {
    var proof = ProofCase()
    (proof.tensor, proof.microBatches) = (tensor, microBatches)
    let (layers, tokens) = (proof.sample.layers, proof.workload.tokens)
    let each = 2 * (tensor - 1)
    let activations = (4 * layers + 2) * elements(proof) * each * 2
    let crossEntropy = 3 * tokens * each * 4
    #expect(try traffic(proof) == ["tensor all-reduce": activations + crossEntropy])
  }

  @Test(arguments: [2, 4, 8], GatherChoice.allCases)
  func `with sequence parallelism each all-reduce is a reduce-scatter and an all-gather`(
    tensor: Int, gathers: GatherChoice
  ) throws {
    var proof = ProofCase()
    (proof.tensor, proof.sequenceParallel, proof.gathersInputs) = (tensor, true, gathers)
    let layers = proof.sample.layers
    let whole = elements(proof) * (tensor - 1) * 2
    let again = gathers == .again ? 2 * layers + 1 : 0
    let found = try traffic(proof)
    #expect(found["tensor reduce-scatter"] == (4 * layers + 2) * whole)
    #expect(found["tensor all-gather"] == (4 * layers + 2 + again) * whole)
    let vectors = layers * 6 * proof.sample.hidden + 2 * proof.sample.hidden
    let crossEntropy = 3 * proof.workload.tokens * 4
    #expect(found["tensor all-reduce"] == (vectors * 4 + crossEntropy) * 2 * (tensor - 1))
  }

  @Test(arguments: [2, 4, 8])
  func `data parallelism all-reduces every gradient once a step`(data: Int) throws {
    var proof = ProofCase()
    (proof.data, proof.microBatches) = (data, 8 / data)
    let padded = proof.model.parameterCount + (128 - 50) * proof.sample.hidden
    let expected = (padded * 4 + 4) * 2 * (data - 1)
    #expect(try traffic(proof) == ["data all-reduce": expected])
  }

  @Test func `copied key and value weights are reduced over their copies once a step`() throws {
    var proof = ProofCase()
    proof.isLlama = true
    (proof.tensor, proof.sample.keyValueHeads, proof.sample.hasAttentionBias) = (8, 2, false)
    let width = 2 * proof.sample.headWidth
    let each = 2 * proof.sample.hidden * width / 2
    let expected = proof.sample.layers * each * 4 * 2 * 3 * 2
    #expect(try traffic(proof)["tensor:(2)4 all-reduce"] == expected)
  }

  @Test func `gathered keys and values move forward and back every micro-batch`() throws {
    var proof = ProofCase()
    proof.isLlama = true
    (proof.tensor, proof.sample.keyValueHeads, proof.keyValue) = (8, 2, .gathered)
    proof.sample.hasAttentionBias = false
    let values = proof.workload.tokens * proof.sample.headWidth
    let each = proof.sample.layers * 2 * values * 2 * 3 * 2
    let found = try traffic(proof)
    #expect(found["tensor:(2)4 all-gather"] == each)
    #expect(found["tensor:(2)4 reduce-scatter"] == each)
  }

  @Test(arguments: [1, 2, 4, 8])
  func `tensor parallelism divides weights but for vectors and the position table`(
    tensor: Int
  ) throws {
    var proof = ProofCase()
    (proof.tensor, proof.workload.precision) = (tensor, .fp32)
    let sample = proof.sample
    let memory = try proof.plan().plan.predicted.memory
    let vocabulary = 128 * tensor
    let copied = sample.layers * 6 * sample.hidden + 2 * sample.hidden + 16 * sample.hidden
    let linear =
      sample.layers * (12 * sample.hidden * sample.hidden - 4 * sample.hidden * sample.hidden)
    let columns = sample.layers * (3 * sample.hidden + sample.wide)
    let split = vocabulary * sample.hidden + linear + columns
    #expect(memory.weights.count == 4 * (split / tensor + copied))
    #expect(memory.gradients == memory.weights)
  }

  @Test func `a saved layer holds what the published formula says, and norm statistics`() throws {
    var proof = ProofCase()
    (proof.sample.hidden, proof.sample.headWidth, proof.sample.wide) = (32, 4, 128)
    proof.workload.attention = .unfused
    proof.workload.dropout = 0.1
    func kept(_ tensor: Int, _ isParallel: Bool) throws -> Int {
      var proof = proof
      (proof.tensor, proof.sequenceParallel, proof.gathersInputs) = (tensor, isParallel, .again)
      let training = try TrainingGraph(model: proof.model, workload: proof.workload)
      let blocks = try Partitioner.explain(
        training, choices: proof.choices, cluster: SyntheticCluster.cluster
      ).blocks.filter { $0.count == proof.sample.layers }
      return blocks.reduce(0) { sum, block in
        sum + (block.phases.first { $0.phase == .forward }?.kept.count ?? 0)
      }
    }
    let tokens = proof.workload.tokens
    let (hidden, heads, sequence) = (proof.sample.hidden, 8, proof.workload.sequence)
    for tensor in [1, 2, 4] {
      let scores = 5 * heads * sequence * tokens
      let statistics = 2 * 2 * 4 * tokens
      #expect(
        try kept(tensor, false)
          == tokens * hidden * 10 + (tokens * hidden * 24 + scores) / tensor + statistics)
      #expect(
        try kept(tensor, true) == (tokens * hidden * 34 + scores + statistics) / tensor)
    }
  }
}

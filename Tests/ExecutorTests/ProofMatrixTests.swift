import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Every combination of degrees, sequence parallelism, key/value form and micro-batches, of both
/// families, against the unsharded reference.
@Suite struct ProofMatrixTests {
  static var cases: [ProofCase] {
    var cases: [ProofCase] = []
    for isLlama in [false, true] {
      for data in [1, 2] {
        for tensor in [1, 2, 4, 8] {
          for (parallel, gathers) in [
            (false, GatherChoice.saved), (true, .saved), (true, .again),
          ] where tensor > 1 || !parallel {
            for form in isLlama && tensor > 2 ? KeyValueForm.allCases : [.copied] {
              for microBatches in [1, 2] {
                for dtype in [DType.float32, .float64] {
                  var proof = ProofCase()
                  proof.isLlama = isLlama
                  proof.sample.keyValueHeads = isLlama ? 2 : 8
                  proof.sample.isTied = !isLlama
                  proof.sample.normalisesHeads = isLlama
                  (proof.data, proof.tensor) = (data, tensor)
                  (proof.sequenceParallel, proof.gathersInputs) = (parallel, gathers)
                  (proof.keyValue, proof.microBatches) = (form, microBatches)
                  proof.settings.dtype = dtype
                  cases.append(proof)
                }
              }
            }
          }
        }
      }
    }
    return cases
  }

  @Test(arguments: cases) func `a sharded step is the unsharded step`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let errors = try #require(verdict.errors)
    #expect(verdict.isValid, "\(proof): \(errors), \(verdict.traffic), \(verdict.run.peakPlanned)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
    #expect((verdict.run.losses.first ?? 0) > 1)
  }

  @Test(arguments: [false, true], [false, true])
  func `five SGD steps in float32 keep parameters within 1e-4`(
    isLlama: Bool, parallel: Bool
  ) throws {
    var proof = ProofCase()
    proof.isLlama = isLlama
    proof.sample.keyValueHeads = isLlama ? 2 : 8
    (proof.data, proof.tensor, proof.microBatches) = (2, 4, 2)
    proof.sequenceParallel = parallel
    proof.settings.steps = 5
    proof.settings.learningRate = 0.1
    let verdict = try proof.run()
    #expect(verdict.isValid)
    #expect(try #require(verdict.parameterError) < 1e-4, "\(proof)")
  }

  @Test(arguments: [false, true], [1, 2, 8])
  func `five AdamW steps in float64 keep parameters within 1e-8`(
    isLlama: Bool, tensor: Int
  ) throws {
    var proof = ProofCase()
    proof.isLlama = isLlama
    proof.sample.keyValueHeads = isLlama ? 4 : 8
    (proof.data, proof.tensor, proof.microBatches) = (2, tensor, 2)
    proof.sequenceParallel = true
    proof.workload.optimizer = .adamw
    proof.settings.dtype = .float64
    proof.settings.steps = 5
    let verdict = try proof.run()
    #expect(verdict.isValid)
    #expect(try #require(verdict.parameterError) < 1e-8, "\(proof)")
  }

  @Test(arguments: [AttentionForm.fused, .unfused], [Precision.mixed, .bf16, .fp32])
  func `dropout draws the unsharded run's masks`(
    attention: AttentionForm, precision: Precision
  ) throws {
    var proof = ProofCase()
    (proof.data, proof.tensor, proof.microBatches) = (2, 2, 2)
    proof.sequenceParallel = true
    proof.workload.dropout = 0.25
    proof.workload.attention = attention
    proof.workload.precision = precision
    proof.settings.dtype = .float64
    let verdict = try proof.run()
    #expect(verdict.isValid, "\(String(describing: verdict.errors))")
  }

  @Test(arguments: [false, true])
  func `a stack of layers alone gives its input's gradient`(isLlama: Bool) throws {
    var proof = ProofCase()
    proof.isLlama = isLlama
    proof.sample.hasEmbedding = false
    proof.sample.hasHead = false
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 4, true)
    proof.settings.dtype = .float64
    let verdict = try proof.run()
    #expect(verdict.isValid)
    #expect(verdict.run.tensors["grad.input"]?.contains { $0 != 0 } == true)
  }

  @Test func `a sequence shorter than the position table trains its rows alone`() throws {
    var proof = ProofCase()
    proof.workload.sequence = 8
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 2, true)
    proof.workload.optimizer = .adamw
    proof.settings.dtype = .float64
    proof.settings.steps = 3
    let verdict = try proof.run()
    #expect(verdict.isValid)
    #expect(try #require(verdict.parameterError) < 1e-8)
  }

  @Test func `labels that are all ignored give no loss and no gradients`() throws {
    let proof = ProofCase()
    let (plan, program) = try proof.plan()
    var batch = proof.batch
    batch.labels = batch.labels.map { _ in HostBatch.ignoredLabel }
    let verdict = try Proof(
      plan: plan, program: program, settings: proof.settings, weights: RandomWeights(seed: 1),
      batch: batch
    ).run(validates: true)
    #expect(verdict.isValid)
    #expect(verdict.run.losses == [0])
    #expect(verdict.gradients.tensors.values.allSatisfy { $0.values.largestMagnitude == 0 })
  }

  @Test func `the same run gives the same bits`() throws {
    var proof = ProofCase()
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 4, true)
    let first = try proof.run(validates: false)
    let second = try proof.run(validates: false)
    #expect(first.run.losses == second.run.losses)
    #expect(first.run.tensors == second.run.tensors)
  }
}

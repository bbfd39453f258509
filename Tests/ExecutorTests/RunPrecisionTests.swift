import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Runs in bfloat16: what the plan stores in two bytes is rounded, sums are float32, and the deviation
/// from float64 is told.
@Suite struct RunPrecisionTests {
  /// A batch of 32: of a smaller one the largest deviation is what rounding leaves of a key bias, whose
  /// gradient without rotary embedding is zero.
  private static func proof(_ isLlama: Bool) -> ProofCase {
    var proof = ProofCase()
    proof.isLlama = isLlama
    proof.workload.globalBatch = 32
    proof.settings.dtype = .bfloat16
    return proof
  }

  /// A batch whose products OpenBLAS gives to one thread, whatever other tests set: runs that are to
  /// agree to the bit need equal sums.
  private static let smallBatch = 8

  /// Four devices under data, Megatron with sequence parallelism, and SUMMA gathered and stepped; of
  /// both families, with micro-batches.
  static var cases: [ProofCase] {
    [false, true].flatMap { isLlama in
      var (data, megatron) = (proof(isLlama), proof(isLlama))
      (data.data, data.microBatches) = (4, 2)
      (megatron.data, megatron.tensor, megatron.sequenceParallel) = (2, 2, true)
      var summa = proof(isLlama)
      (summa.layout, summa.mesh, summa.microBatches) = (.summa, [2, 2], 2)
      var stepped = summa
      stepped.matmul = .stepped
      return [data, megatron, summa, stepped]
    }
  }

  /// Elements that are no bfloat16: whose float32 has bits in its lower half.
  private static func unrounded(_ values: [Double]) -> Int {
    values.count { Double(Float($0)) != $0 || Float($0).bitPattern & 0xFFFF != 0 }
  }

  private static func tensors(_ run: RunResult, _ prefix: String) -> [Double] {
    run.tensors.filter { $0.key.hasPrefix(prefix) }.flatMap(\.value)
  }

  private func deviations(_ verdict: Verdict) throws -> [Double] {
    let errors = try #require(verdict.errors)
    return [try #require(errors.logits), errors.gradients]
  }

  @Test(arguments: cases)
  func `a bfloat16 run is valid, and as far from float64 as one device is`(
    proof: ProofCase
  ) throws {
    let verdict = try proof.run()
    #expect(verdict.isValid && verdict.tolerance == nil, "\(proof): \(verdict.faults)")
    #expect(verdict.bytesAgree && verdict.peaksAgree, "\(proof)")
    #expect(try #require(verdict.errors).loss < 5e-2, "\(proof)")
    let alone = try Self.proof(proof.isLlama).run()
    for (many, one) in zip(try deviations(verdict), try deviations(alone)) {
      #expect(1e-4 < many && many < 5e-2, "\(proof): \(many)")
      #expect(one / 5 < many && many < 5 * one, "\(proof): \(many), on one device \(one)")
    }
  }

  @Test(arguments: cases)
  func `a plan of 4-byte widths runs in bfloat16 bit for bit as in float32`(
    proof: ProofCase
  ) throws {
    var proof = proof
    proof.workload.globalBatch = Self.smallBatch
    proof.workload.precision = .fp32
    proof.settings.steps = 2
    let narrow = try proof.run(validates: false)
    proof.settings.dtype = .float32
    let wide = try proof.run(validates: false)
    #expect(narrow.run.losses == wide.run.losses && narrow.run.tensors == wide.run.tensors)
    #expect(narrow.run.peakExecuted == wide.run.peakExecuted)
  }

  @Test(arguments: cases)
  func `mixed precision rounds weights and logits, and keeps main gradients`(
    proof: ProofCase
  ) throws {
    var proof = proof
    proof.settings.steps = 2
    let run = try proof.run(validates: false).run
    for rounded in ["logits", "param."] {
      let values = Self.tensors(run, rounded)
      #expect(!values.isEmpty && Self.unrounded(values) == 0, "\(proof): \(rounded)")
    }
    let gradients = Self.tensors(run, "grad.")
    #expect(Self.unrounded(gradients) > gradients.count / 4, "\(proof)")
    #expect(run.losses.allSatisfy { Self.unrounded([$0]) == 1 }, "\(run.losses)")
  }

  @Test(arguments: [false, true], Optimizer.allCases)
  func `bf16 precision rounds the main gradient too`(
    isLlama: Bool, optimizer: Optimizer
  ) throws {
    var proof = Self.proof(isLlama)
    (proof.data, proof.tensor, proof.sequenceParallel, proof.microBatches) = (2, 2, true, 2)
    proof.workload.precision = .bf16
    proof.workload.optimizer = optimizer
    proof.settings.steps = 2
    let verdict = try proof.run()
    #expect(verdict.isValid, "\(verdict.faults)")
    for rounded in ["logits", "param.", "grad."] {
      let values = Self.tensors(verdict.run, rounded)
      #expect(!values.isEmpty && Self.unrounded(values) == 0, "\(proof): \(rounded)")
    }
    for deviation in try deviations(verdict) {
      #expect(1e-4 < deviation && deviation < 5e-2, "\(proof): \(deviation)")
    }
  }

  @Test func `weights are rounded as they are loaded`() throws {
    var proof = Self.proof(true)
    (proof.data, proof.tensor, proof.settings.steps) = (2, 2, 2)
    proof.workload.globalBatch = Self.smallBatch
    let (plan, program) = try proof.plan()
    let drawn = RandomWeights(seed: proof.seed)
    let runs = try [drawn, RoundedWeights(source: drawn)].map { (weights: any WeightSource) in
      try Proof(
        plan: plan, program: program, settings: proof.settings, weights: weights,
        batch: proof.batch
      ).run(validates: false).run
    }
    #expect(runs[0].losses == runs[1].losses && runs[0].tensors == runs[1].tensors)
  }

  @Test(arguments: [false, true], Optimizer.allCases)
  func `twenty steps train as in float32`(isLlama: Bool, optimizer: Optimizer) throws {
    var proof = Self.proof(isLlama)
    (proof.data, proof.tensor, proof.sequenceParallel, proof.microBatches) = (2, 2, true, 2)
    proof.workload.optimizer = optimizer
    proof.settings.steps = 20
    proof.settings.learningRate = optimizer == .sgd ? 0.05 : 1e-3
    let narrow = try proof.run(validates: false).run.losses
    proof.settings.dtype = .float32
    let wide = try proof.run(validates: false).run.losses
    #expect(narrow.count == 20 && narrow != wide)
    for (narrow, wide) in zip(narrow, wide) {
      #expect(abs(narrow - wide) < 2e-2 * wide, "\(proof): \(narrow), in float32 \(wide)")
    }
    // What is learnt is far more than what rounding changes.
    #expect(narrow[0] - narrow[19] > 0.1 * narrow[0], "\(narrow)")
    #expect(zip(narrow, narrow.dropFirst()).allSatisfy { $0 > $1 }, "\(narrow)")
  }

  @Test func `small updates are kept by master weights and lost without`() throws {
    var proof = Self.proof(false)
    proof.settings.steps = 20
    proof.settings.learningRate = 2e-4
    let mixed = try proof.run(validates: false).run.losses
    proof.workload.precision = .bf16
    let narrow = try proof.run(validates: false).run.losses
    proof.settings.dtype = .float32
    let wide = try proof.run(validates: false).run.losses
    let learnt = wide[0] - wide[19]
    #expect(mixed[0] - mixed[19] > 0.5 * learnt, "\(mixed), in float32 \(wide)")
    #expect(narrow[0] - narrow[19] < 0.5 * learnt, "\(narrow), in float32 \(wide)")
  }

  @Test func `features and their gradient are rounded in a stack of layers alone`() throws {
    var proof = Self.proof(true)
    proof.sample.hasEmbedding = false
    proof.sample.hasHead = false
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 4, true)
    let verdict = try proof.run()
    #expect(verdict.isValid, "\(verdict.faults)")
    let input = Self.tensors(verdict.run, "grad.input")
    #expect(!input.isEmpty && Self.unrounded(input) == 0)
    let error = try #require(verdict.errors).gradients
    #expect(1e-4 < error && error < 5e-2, "\(error)")
  }

  @Test(arguments: [AttentionForm.fused, .unfused], [Precision.mixed, .bf16])
  func `dropout and both forms of attention run in bfloat16`(
    attention: AttentionForm, precision: Precision
  ) throws {
    var proof = Self.proof(false)
    (proof.data, proof.tensor, proof.sequenceParallel) = (2, 2, true)
    proof.workload.dropout = 0.25
    (proof.workload.attention, proof.workload.precision) = (attention, precision)
    let verdict = try proof.run()
    #expect(verdict.isValid, "\(verdict.faults)")
    for deviation in try deviations(verdict) {
      #expect(1e-4 < deviation && deviation < 5e-2, "\(proof): \(deviation)")
    }
  }

  @Test func `numbers that are not finite are not valid`() throws {
    var proof = Self.proof(false)
    proof.settings.steps = 8
    proof.settings.learningRate = 1e30
    let verdict = try proof.run(validates: false)
    #expect(!verdict.isValid && verdict.bytesAgree && verdict.peaksAgree)
    #expect(verdict.faults == ["a number is not finite"])
  }

  @Test func `widths decide what is rounded and how it is dumped`() {
    let widths: [ValueWidth] = [
      .activation, .weight, .mainGradient, .masterWeight, .moment, .statistic, .index, .mask,
    ]
    func rounded(_ dtype: DType, _ planned: Precision) -> [ValueWidth] {
      let precision = RunPrecision(dtype, planned: planned)
      let rounded = widths.filter { precision.rounds($0) }
      #expect(rounded == widths.filter { precision.storedType(of: $0) == .bfloat16 })
      return rounded
    }
    #expect(rounded(.bfloat16, .mixed) == [.activation, .weight])
    #expect(
      rounded(.bfloat16, .bf16) == [.activation, .weight, .mainGradient, .masterWeight, .moment])
    #expect(rounded(.bfloat16, .fp32).isEmpty)
    for planned in Precision.allCases {
      #expect(rounded(.float32, planned).isEmpty && rounded(.float64, planned).isEmpty)
    }
    let precision = RunPrecision(.bfloat16, planned: .mixed)
    #expect(precision.heldType == .float32 && precision.heldType(of: .index) == .int64)
  }
}

/// Weights rounded to the nearest bfloat16, ties to even.
private struct RoundedWeights: WeightSource {
  let source: RandomWeights

  func read(
    _ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>
  ) throws {
    try source.read(region, into: output)
    for place in output.indices {
      let value = Float(output[place])
      // Eight significant bits: one step of the result's binade.
      let step = Double(value.ulp) * 0x1p16
      output[place] = (Double(value) / step).rounded(.toNearestOrEven) * step
    }
  }
}

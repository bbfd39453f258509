import Calibration
import Executor
import Formats
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Serialized: calibrations wait for each other anyway, and each holds its own memory.
@Suite("Measuring kernels and collectives", .serialized)
struct KernelProbeTests {
  private let calibrator = Calibrator(origin: .sample, policy: .quick)

  private func tasks(_ program: Program, _ dtype: DType) -> [CalibrationTask] {
    Partitioner.kernels(of: program).compactMap { kernel in
      KernelProbe(
        kernel.call, in: program.bodies[kernel.body], of: program, dtype: dtype
      ).map { .kernel($0, amount: kernel.amount) }
    }
  }

  @Test(
    "Every kernel of a step is measured, each under a key of its own, with what it has to do",
    arguments: [
      (false, AttentionForm.fused, Optimizer.adamw, 0.0), (true, .fused, .sgd, 0),
      (false, .unfused, .sgd, 0.1), (true, .unfused, .adamw, 0),
    ])
  func everyKernel(
    isLlama: Bool, attention: AttentionForm, optimizer: Optimizer, dropout: Double
  ) throws {
    let program = try SmallProgram.program(
      isLlama: isLlama, attention: attention, optimizer: optimizer, dropout: dropout)
    for dtype in [DType.float32, .float64] {
      let tasks = tasks(program, dtype)
      let sink = RecordingSink()
      let outcome = try calibrator.calibrate(tasks, budget: 60, into: sink)
      #expect(Set(outcome.measured.map(\.key)).count == outcome.measured.count)
      #expect(outcome.left.isEmpty && outcome.tooLarge.isEmpty)
      let names = Set(outcome.measured.map(\.key.kernel))
      #expect(names.contains(isLlama ? "norm-apply.rms" : "norm-apply.layer"), "\(names)")
      #expect(names.contains(attention == .fused ? "attention.causal" : "softmax"), "\(names)")
      #expect(names.contains("\(optimizer.rawValue).add") || names.contains(optimizer.rawValue))
      for (key, timing) in outcome.measured {
        #expect(timing.medianNanoseconds > 0, "\(key)")
        #expect((timing.amount?.elements ?? 0) > 0, "\(key)")
        #expect(key.dtype == dtype && key.backend == "swift")
      }
    }
  }

  @Test("A run's kernels have the keys that measuring them has")
  func sameKeys() throws {
    let program = try SmallProgram.program(isLlama: false, attention: .fused, optimizer: .adamw)
    for kernel in Partitioner.kernels(of: program) where kernel.product == nil {
      let body = program.bodies[kernel.body]
      guard let probe = KernelProbe(kernel.call, in: body, of: program, dtype: .float32)
      else { continue }
      #expect(probe.identity == kernel.call.identity(in: body))
    }
  }

  @Test(
    "What a step has used just before stays where it is: not what an optimizer goes through, or is added to"
  )
  func nearOperands() throws {
    let program = try SmallProgram.program(isLlama: false, attention: .fused, optimizer: .adamw)
    func areNear(_ name: String, _ body: Body, _ call: KernelCall) throws -> [Bool] {
      try #require(KernelProbe(call, in: body, of: program, dtype: .float32), "\(name)").areNear
    }
    let (body, calls) = SmallProgram.copies(in: program)
    #expect(try areNear("panel", body, calls[0]) == [true, true])
    let copies = calls.filter { $0.kind == .copy }
    #expect(try copies.map { try areNear("copy", body, $0) } == [[true, true], [true, false]])
    let kernels = Partitioner.kernels(of: program).filter { $0.product == nil }
    let updates = kernels.filter { program.bodies[$0.body].phase == .optimize }
    #expect(!updates.isEmpty)
    for kernel in updates {
      let near = try areNear("update", program.bodies[kernel.body], kernel.call)
      #expect(near.allSatisfy { !$0 }, "\(kernel.call.timedName)")
    }
    let norm = try #require(kernels.first { $0.call.timedName == "norm-apply.layer" })
    let near = try areNear("norm", program.bodies[norm.body], norm.call)
    #expect(near.count { $0 } == 2 && near.contains(false), "\(near)")
  }

  @Test("Small groups run side by side on few cores, as many as share them in a run")
  func sideBySide() {
    func groups(_ devices: Int, cores: Int) -> Int {
      CollectiveProbe(.broadcast, devices: devices, elements: 64, cores: cores).groups
    }
    #expect([2, 3, 4, 16].map { groups($0, cores: 2) } == [2, 1, 1, 1])
    #expect([2, 4, 16].map { groups($0, cores: 64) } == [8, 4, 1])
    #expect(groups(2, cores: 1) == 1)
  }

  @Test("What works in place is measured on ordinary numbers however often it runs")
  func inPlace() throws {
    let program = try SmallProgram.program(isLlama: false, attention: .unfused, optimizer: .sgd)
    let kernel = try #require(
      Partitioner.kernels(of: program).first {
        $0.call.kind == .operation(.softmaxGradient) && $0.call.reads[0] == $0.call.writes[0]
      })
    let probe = try #require(
      KernelProbe(
        kernel.call, in: program.bodies[kernel.body], of: program, dtype: .float32))
    let task = CalibrationTask.kernel(probe, amount: kernel.amount)
    let short = Calibrator(origin: .sample, policy: SamplingPolicy(minimumSampleSeconds: 1e-5))
    let long = Calibrator(origin: .sample, policy: SamplingPolicy(minimumSampleSeconds: 2e-2))
    let times = try [short, long].map {
      try $0.calibrate([task], budget: 60, into: RecordingSink()).measured[0].timing
        .medianNanoseconds
    }
    #expect(times[1] < 4 * times[0] && times[0] < 4 * times[1], "\(times)")
  }

  @Test("Every collective is measured, and takes longer on more", arguments: [2, 3])
  func collectives(devices: Int) throws {
    for pattern in CollectiveProbe.Pattern.allCases {
      let probes = [64, 1 << 18].map {
        CollectiveProbe(pattern, devices: devices, elements: $0)
      }
      #expect(probes.allSatisfy { $0.elements % devices == 0 })
      let outcome = try calibrator.calibrate(
        probes.map { .collective($0) }, budget: 60, into: RecordingSink())
      let times = outcome.measured.map(\.timing.medianNanoseconds)
      #expect(times.count == 2 && times[1] > times[0] && times[0] > 0, "\(pattern): \(times)")
      #expect(outcome.measured[0].key.shape == [devices, probes[0].elements])
      #expect(outcome.measured[0].key.backend == "threads")
    }
  }

  @Test(
    "What threads take that share cores is kept for so many, the least of all that was measured")
  func sharing() throws {
    let task = CalibrationTask.sharing(SharingProbe(devices: 3))
    func measured(_ known: [TimingKey: Timing] = [:]) throws -> (key: TimingKey, timing: Timing) {
      let outcome = try calibrator.calibrate(
        [task], budget: 60, known: known, again: true, into: RecordingSink())
      return try #require(outcome.measured.first)
    }
    let (key, timing) = try measured()
    var other = timing
    other.medianNanoseconds = 1
    #expect(try measured([key: other]).timing == other)
    other.medianNanoseconds = 1e15
    #expect(try measured([key: other]).timing.medianNanoseconds < 1e12)
    #expect(key.kernel == SharingProbe.name && key.shape == [3] && key.backend == "mesh")
    // Cores may be slower while one thread runs than while all do, but not by half.
    #expect(timing.medianNanoseconds > SharingProbe.unit * 1e9 / 2)
  }
}

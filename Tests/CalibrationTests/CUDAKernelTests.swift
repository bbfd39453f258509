import Calibration
import Executor
import Partitioner
import PlanIR
import Testing

/// The very texts that a GPU gets, run on the host with the very arguments, beside the kernels that threads
/// run.
@Suite("The kernels of a GPU")
struct CUDAKernelTests {
  private struct Pair {
    let probe: KernelProbe
    let kernel: CUDAKernel
  }

  private static let programs: [(isLlama: Bool, AttentionForm, Optimizer)] = [
    (false, .fused, .adamw), (true, .fused, .sgd), (true, .unfused, .adamw),
  ]

  private static func pairs(_ dtype: DType) throws -> [Pair] {
    try programs.flatMap { isLlama, attention, optimizer in
      let program = try SmallProgram.program(
        isLlama: isLlama, attention: attention, optimizer: optimizer)
      return Partitioner.kernels(of: program).compactMap { kernel -> Pair? in
        let body = program.bodies[kernel.body]
        guard kernel.product == nil,
          let probe = KernelProbe(kernel.call, in: body, of: program, dtype: .float32),
          let own = CUDAKernel(kernel.call, in: body, of: program, dtype: dtype)
        else { return nil }
        return Pair(probe: probe, kernel: own)
      }
    }
  }

  @Test(
    "Every kernel computes what the one that threads run computes",
    arguments: [DType.float32, .bfloat16, .float16])
  func agree(dtype: DType) throws {
    let pairs = try Self.pairs(dtype)
    let gpu = try HostGPU(pairs.flatMap(\.kernel.launches))
    for (number, pair) in pairs.enumerated() {
      let device = HostOperands(pair.kernel)
      let host = HostOperands(pair.probe)
      // Single warps in every other kernel, several in the rest: a row may have any number.
      for launch in pair.kernel.launches {
        let threads = launch.threads == 32 && number % 2 == 0 ? 128 : launch.threads
        try gpu.run(launch, device.memory, threads: threads)
      }
      try pair.probe.compile()(host.memory)
      for place in pair.probe.operands.indices {
        expect(device.values(place), host.values(place), dtype, "\(pair.kernel.identity)")
      }
    }
  }

  /// Whether `values` are within rounding of `expected`: of the type, and of sums in float32.
  private func expect(
    _ values: [Float], _ expected: [Float], _ dtype: DType, _ comment: Comment
  ) {
    let tolerance: Float =
      switch dtype {
      case .bfloat16: 1e-2
      case .float16: 2e-3
      default: 2e-5
      }
    let scale = expected.reduce(0) { max($0, $1.magnitude) }
    let distance = zip(values, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
    #expect(values.count == expected.count && !distance.isNaN, comment)
    #expect(distance <= tolerance * scale, comment)
  }

  @Test("Every kernel of a step has one, but for products and attention")
  func complete() throws {
    for (isLlama, attention, optimizer) in Self.programs {
      let program = try SmallProgram.program(
        isLlama: isLlama, attention: attention, optimizer: optimizer)
      let missing = Partitioner.kernels(of: program).filter { kernel in
        kernel.product == nil && kernel.call.kind != .load(.tokens)
          && kernel.call.kind != .load(.labels)
          && CUDAKernel(
            kernel.call, in: program.bodies[kernel.body], of: program, dtype: .bfloat16) == nil
      }
      #expect(missing.allSatisfy { $0.call.kind.name.hasPrefix("attention") })
    }
  }
}

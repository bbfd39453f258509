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

  private static func programs() throws -> [Program] {
    try [
      SmallProgram.program(isLlama: false, attention: .fused, optimizer: .adamw),
      SmallProgram.program(isLlama: true, attention: .fused, optimizer: .sgd),
      SmallProgram.program(isLlama: true, attention: .unfused, optimizer: .adamw),
    ]
  }

  /// Kernels of the programs, and copies of windows, which they have few of.
  private static func pairs(_ dtype: DType) throws -> [Pair] {
    let programs = try programs()
    let kernels = programs.flatMap { program in
      Partitioner.kernels(of: program).filter { $0.product == nil }.compactMap {
        pair($0.call, in: program.bodies[$0.body], of: program, dtype)
      }
    }
    let copies = SmallProgram.copies(in: programs[0])
    return kernels + copies.calls.compactMap { pair($0, in: copies.body, of: programs[0], dtype) }
  }

  private static func pair(
    _ call: KernelCall, in body: Body, of program: Program, _ dtype: DType
  ) -> Pair? {
    guard let probe = KernelProbe(call, in: body, of: program, dtype: .float32),
      let kernel = CUDAKernel(call, in: body, of: program, dtype: dtype)
    else { return nil }
    return Pair(probe: probe, kernel: kernel)
  }

  @Test(
    "Every kernel computes what the one that threads run computes",
    arguments: [DType.float32, .bfloat16, .float16])
  func agree(dtype: DType) throws {
    let pairs = try Self.pairs(dtype)
    let names = Set(pairs.map(\.kernel.identity.kernel))
    #expect(names.isSuperset(of: ["slice", "panel", "place", "copy.add"]), "\(names.sorted())")
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
    for program in try Self.programs() {
      let missing = Partitioner.kernels(of: program).filter { kernel in
        kernel.product == nil && kernel.call.kind != .load(.tokens)
          && kernel.call.kind != .load(.labels)
          && KernelProbe(
            kernel.call, in: program.bodies[kernel.body], of: program, dtype: .float32) != nil
          && CUDAKernel(
            kernel.call, in: program.bodies[kernel.body], of: program, dtype: .bfloat16) == nil
      }
      #expect(missing.allSatisfy { $0.call.kind.name.hasPrefix("attention") })
    }
  }
}

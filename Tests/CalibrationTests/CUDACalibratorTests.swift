import Calibration
import Executor
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing
import TimingStore

/// Tests against the stub, which has one state for the whole process: hence one after the other.
@Suite(.serialized) enum CUDATests {}

extension CUDATests {
  @Suite("Measuring a GPU")
  struct CUDACalibratorTests {
    private let stub: StubCUDA
    private var path: CUDASearchPath { CUDASearchPath(places: [.folder(stub.folder.path)]) }

    init() throws { stub = try StubCUDA() }

    private static let policy = SamplingPolicy(
      minimumSamples: 3, maximumSamples: 3, minimumSampleSeconds: 2e-4)

    private func calibrator(_ clock: CalibrationClock = .system) throws -> CUDACalibrator {
      try CUDACalibrator(along: path, origin: .sample, policy: Self.policy, clock: clock)
    }

    private static func everyProduct(_ m: Int, _ n: Int, _ k: Int) -> [CUDAProduct] {
      CUDAArithmetic.allCases.flatMap { arithmetic in
        MatmulProduct.Transposition.allCases.compactMap { transposition in
          MatmulProduct(m: m, n: n, k: k, transposition: transposition)
            .map { CUDAProduct($0, in: arithmetic) }
        }
      }
    }

    /// Kernels of a small program, each once.
    private static func kernels(
      isLlama: Bool = false, attention: AttentionForm = .fused, dtype: DType = .bfloat16
    ) throws -> [(kernel: CUDAKernel, amount: KernelAmount)] {
      let program = try SmallProgram.program(
        isLlama: isLlama, attention: attention, optimizer: .adamw)
      return Partitioner.kernels(of: program).compactMap { kernel in
        CUDAKernel(kernel.call, in: program.bodies[kernel.body], of: program, dtype: dtype)
          .map { ($0, kernel.amount) }
      }
    }

    /// Whether `timing` is what the stub's clock says, told as float milliseconds.
    private func expect(_ timing: Timing?, nanoseconds: Double, _ comment: Comment) {
      let median = timing?.medianNanoseconds ?? -1
      #expect(abs(median - nanoseconds) < 1e-3 * nanoseconds, "\(comment): \(median)")
      #expect(timing?.samples == 3, comment)
    }

    @Test("Products land in the store by arithmetic, shape and transposition, at the device's time")
    func products() throws {
      let database = try TimingDatabase(stub.folder.path + "/timings.sqlite")
      let calibrator = try calibrator()
      let tasks = Self.everyProduct(96, 160, 320)
      let outcome = try calibrator.calibrate(
        tasks.map { .product($0) }, budget: 60, into: database)
      #expect(outcome.measured.count == 16 && outcome.left.isEmpty)
      let stored = try database.timings(fingerprint: calibrator.fingerprint)
      let expected: [(CUDAArithmetic, DType, String, Double)] = [
        (.bfloat16, .bfloat16, "cublas", 8e14), (.float16, .float16, "cublas", 8e14),
        (.tensorFloat32, .float32, "cublas-tf32", 4e14), (.float32, .float32, "cublas", 5e13),
      ]
      for (arithmetic, dtype, backend, rate) in expected {
        for transposition in ["NN", "NT", "TN", "TT"] {
          let key = TimingKey(
            kernel: "matmul", dtype: dtype, shape: [96, 160, 320], transposition: transposition,
            backend: backend, fingerprint: calibrator.fingerprint)
          expect(
            stored[key], nanoseconds: 3000 + 2 * 96 * 160 * 320 / rate * 1e9,
            "\(arithmetic) \(transposition)")
        }
      }
    }

    @Test("Kernels land in the store under the names of the cores' kernels, at the device's time")
    func kernels() throws {
      let kernels = try Self.kernels()
      let calibrator = try calibrator()
      let outcome = try calibrator.calibrate(
        kernels.map { .kernel($0.kernel, amount: $0.amount) }, budget: 60, into: RecordingSink())
      let names = Set(outcome.measured.map(\.key.kernel))
      for name in ["norm-apply.layer", "gelu_tanh", "adamw.add", "probabilities", "add"] {
        #expect(names.contains(name), "\(names)")
      }
      let wide = Set(kernels.filter { $0.kernel.dtype == .float32 }.map(\.kernel.identity.kernel))
      #expect(wide.isSubset(of: ["copy.add", "zero", "slice"]), "\(wide)")
      let measured = Dictionary(outcome.measured.map { ($0.key, $0.timing) }) { first, _ in first }
      for (kernel, amount) in kernels {
        let key = TimingKey(
          kernel: kernel.identity.kernel, dtype: kernel.dtype, shape: kernel.identity.shape,
          backend: "nvrtc", fingerprint: calibrator.fingerprint)
        let microseconds = kernel.launches.reduce(0) {
          $0 + 2 + Double($1.blocks * $1.threads) / 1e6
        }
        expect(measured[key], nanoseconds: 1000 * microseconds, "\(kernel.identity)")
        #expect(measured[key]?.amount == amount)
      }
    }

    @Test("Copies land in the store by direction and bytes, at the device's time")
    func copies() throws {
      let outcome = try calibrator().calibrate(
        CUDACopy.all.map { .copy($0) }, budget: 60, into: RecordingSink())
      #expect(outcome.measured.count == 15)
      for (key, timing) in outcome.measured {
        let bytes = Double(key.shape[0])
        let isWithin = key.kernel == "copy-device"
        expect(
          timing, nanoseconds: isWithin ? 2000 + bytes / 1.5e3 : 8000 + bytes / 25, "\(key)")
        #expect(key.dtype == .uint8 && key.backend == "cuda")
      }
    }

    @Test(
      "A product's operands stand in cuBLAS's order and strides",
      arguments: everyProduct(3, 5, 7) + everyProduct(8, 4, 2))
    func operands(task: CUDAProduct) throws {
      stub.set("COMPUTE", 1)
      let device = try CUDADevice(along: path)
      let blas = try CUDABLAS(device, along: path)
      let (m, n, k) = (task.product.m, task.product.n, task.product.k)
      // Small integers: every type holds them, their products and sums exactly.
      let a = (0..<m * k).map { Float($0 % 5 - 2) }
      let b = (0..<k * n).map { Float($0 % 7 - 3) }
      let isFirst = [MatmulProduct.Transposition.first, .both].contains(task.product.transposition)
      let isSecond = [MatmulProduct.Transposition.second, .both].contains(
        task.product.transposition)
      let expected = (0..<m * n).map { place in
        (0..<k).reduce(Float(0)) { sum, l in
          let (i, j) = (place / n, place % n)
          return sum + (isFirst ? a[l * m + i] : a[i * k + l])
            * (isSecond ? b[j * k + l] : b[l * n + j])
        }
      }
      let c = try CUDABuffer(bytes: m * n * task.arithmetic.dtype.width, on: device)
      try blas.multiply(
        task, DeviceFloats.buffer(a, task.arithmetic.dtype, device),
        DeviceFloats.buffer(b, task.arithmetic.dtype, device), into: c)
      #expect(try DeviceFloats.values(c, task.arithmetic.dtype) == expected)
    }

    @Test("A second calibration measures nothing and compiles nothing")
    func again() throws {
      let sink = RecordingSink()
      let tasks = try tasks()
      _ = try calibrator().calibrate(tasks, budget: 60, into: sink)
      let compilations = stub.compilations
      let second = try calibrator().calibrate(
        tasks, budget: 60, known: sink.known, into: RecordingSink())
      #expect(second.measured.isEmpty && second.left.isEmpty)
      #expect(second.skipped == Set(sink.keys.joined()).count)
      #expect(stub.compilations == compilations)
    }

    @Test("The budget's end leaves the rest, which a second calibration measures")
    func budget() throws {
      let hand = HandClock()
      let sink = RecordingSink()
      let tasks = try tasks()
      let first = try calibrator(hand.clock).calibrate(tasks, budget: 25, into: sink) { _ in
        hand.advance(10)
      }
      #expect(first.measured.count == 3 && !first.left.isEmpty)
      let second = try calibrator().calibrate(
        tasks, budget: 60, known: sink.known, into: sink)
      #expect(second.skipped == 3 && second.measured.map(\.key) == first.left)
    }

    @Test("A task whose operands exceed the memory limit is named and takes no memory")
    func memory() throws {
      let calibrator = try CUDACalibrator(
        along: path, origin: .sample, policy: Self.policy, memoryLimit: 1 << 20)
      let outcome = try calibrator.calibrate(
        [.copy(CUDACopy(.within, bytes: 1 << 20)), .copy(CUDACopy(.within, bytes: 1 << 19))],
        budget: 60, into: RecordingSink())
      #expect(outcome.tooLarge.map(\.shape) == [[1 << 20]] && outcome.measured.count == 1)
    }

    @Test("Before Ampere there is neither bfloat16 nor tf32")
    func volta() throws {
      stub.set("CAPABILITY", 70)
      #expect(try calibrator().arithmetics == [.float16, .float32])
    }

    @Test("Fingerprints name the GPU in one line and differ by the driver's version")
    func fingerprint() throws {
      let first = try calibrator().fingerprint
      #expect(
        first == "gpu:Stub GPU 1; processors:100; clock:1500 MHz; driver:12.4; cublas:120405; "
          + "nvrtc:12.4")
      stub.set("DRIVER_VERSION", 13010)
      #expect(try calibrator().fingerprint == first.replacing("driver:12.4", with: "driver:13.1"))
    }

    @Test("After a calibration nothing is left on the device")
    func release() throws {
      _ = try calibrator().calibrate(tasks(), budget: 60, into: RecordingSink())
      #expect(stub.liveObjects == 0)
    }

    /// A fault, at which of its chances, and the error.
    struct Fault: Sendable, CustomTestStringConvertible {
      var name: String
      var number: Int
      var error: String
      var testDescription: String { "\(name) \(number)" }
    }

    private static let faults: [Fault] =
      [1, 2, 4].map {
        Fault(name: "FAIL_ALLOCATION", number: $0, error: "cuMemAlloc_v2: ")
      } + [
        Fault(
          name: "FAIL_LAUNCH", number: 1,
          error: "cuLaunchKernel add: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure; "),
        Fault(name: "FAIL_LAUNCH", number: 500, error: "CUDA_ERROR_LAUNCH_FAILED"),
        Fault(
          name: "FAIL_GEMM", number: 1, error: "cublasGemmEx: CUBLAS_STATUS_EXECUTION_FAILED; "),
        Fault(
          name: "FAIL_GEMM", number: 500, error: "cublasGemmEx: CUBLAS_STATUS_EXECUTION_FAILED; "),
        Fault(name: "FAIL_EVENT", number: 1, error: "cuEventCreate: CUDA_ERROR_OUT_OF_MEMORY: "),
        Fault(name: "FAIL_EVENT", number: 2, error: "cuEventCreate: CUDA_ERROR_OUT_OF_MEMORY: "),
        Fault(
          name: "REFUSE_SOURCE", number: 1,
          error: "does not compile for sm_90: kernel.cu(1): error: refused; 1 error"),
        Fault(
          name: "LEAST_CAPABILITY", number: 100,
          error: "nvrtcCompileProgram: NVRTC_ERROR_INVALID_OPTION: this version of NVRTC does not "
            + "know sm_90; "),
      ]

    @Test("A fault ends with its name, keeps what is stored and leaves nothing", arguments: faults)
    func failures(fault: Fault) throws {
      let sink = RecordingSink()
      let tasks = try tasks()
      stub.set(fault.name, fault.number)
      let error = try #require(throws: CUDAError.self) {
        _ = try calibrator().calibrate(tasks, budget: 60, into: sink)
      }
      #expect("\(error)".contains(fault.error), "\(error)")
      #expect(error.exitCode == (fault.name == "REFUSE_SOURCE" ? 70 : 1))
      #expect(stub.liveObjects == 0)
      if fault.number == 500 { #expect(!sink.keys.isEmpty) }
      stub.reset()
      let second = try calibrator().calibrate(
        tasks, budget: 60, known: sink.known, into: RecordingSink())
      #expect(second.skipped == sink.keys.count && second.left.isEmpty)
    }

    @Test("Without a GPU the error says so")
    func noDevice() throws {
      stub.set("DEVICES", 0)
      #expect(throws: CUDAError.noDevice) { try calibrator() }
      #expect(stub.liveObjects == 0)
    }

    /// Products, kernels and copies, a few of each.
    private func tasks() throws -> [CUDATask] {
      Self.everyProduct(33, 65, 17).prefix(6).map { .product($0) }
        + (try Self.kernels().sorted { first, _ in first.kernel.identity.kernel == "add" }.prefix(
          12
        )
        .map { .kernel($0.kernel, amount: $0.amount) })
        + CUDACopy.all.prefix(6).map { .copy($0) }
    }
  }
}

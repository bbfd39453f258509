package import PlanIR

/// How a program is run.
package struct RunSettings: Sendable {
  /// float32, float64, or bfloat16: see ``RunPrecision``.
  package var dtype: DType
  package var seed: UInt64
  package var steps: Int
  package var learningRate: Double
  /// Whether loss, logits, gradients and parameters are gathered for comparison.
  package var gathers: Bool
  /// Whether kernels are timed.
  package var recordsTimings: Bool
  /// Whether it is noted when each call begins and ends.
  package var recordsCalls = false
  /// Whether CPU time is added up by what it went to.
  package var recordsParts = false
  /// Whether fresh memory is filled with NaN, to show what is read before it is written.
  package var poisonsMemory: Bool
  /// A fault to commit, to show that it is noticed; nil but in tests.
  package var fault: Fault?

  /// What a device may do wrong.
  package enum Fault: Hashable, Sendable {
    /// Leaves out its `number`-th collective, from 1.
    case skipsCollective(device: Int, number: Int)
  }

  package init(
    dtype: DType = .float32, seed: UInt64 = 0, steps: Int = 1, learningRate: Double = 1e-3,
    gathers: Bool = true, recordsTimings: Bool = false, poisonsMemory: Bool = false
  ) {
    self.dtype = dtype
    self.seed = seed
    self.steps = steps
    self.learningRate = learningRate
    self.gathers = gathers
    self.recordsTimings = recordsTimings
    self.poisonsMemory = poisonsMemory
  }
}

/// What a run measured and computed.
package struct RunResult: Sendable {
  /// The loss of each step.
  package var losses: [Double] = []
  /// Wall seconds of each step, of the slowest device.
  package var stepSeconds: [Double] = []
  /// Bytes moved in one step, by axis and collective.
  package var traffic: [Traffic] = []
  /// The fullest instant of each device, in planned widths and in the run's.
  package var peakPlanned: [Int] = []
  package var peakExecuted: [Int] = []
  /// Bytes still held at the end beyond what is stored throughout; zero but for a leak.
  package var leaked: [Int] = []
  /// Gathered tensors: `logits`, `grad.<block/parameter#layer>`, `param.<...>`, `grad.input`.
  package var tensors: [String: [Double]] = [:]
  /// Thread CPU seconds of each kernel that ran, without the rounding of what it wrote.
  package var kernelTimes: [KernelIdentity: [Double]] = [:]

  /// Thread CPU seconds of all devices in all steps but the first, by what they went to; where asked for.
  package var parts: [ProgramPart: PartTime] = [:]

  /// By device, when each call of the last step ran, in their order; where asked for.
  package var calls: [[CallSpan]] = []

  /// When a call ran, counted from the start of the step on the first device.
  package struct CallSpan: Hashable, Sendable {
    package var call: Call
    package var startSeconds, seconds: Double
  }

  /// Whether every loss, and every element that was gathered, is a finite number.
  package var isFinite: Bool {
    losses.allSatisfy(\.isFinite) && tensors.values.allSatisfy { $0.allSatisfy(\.isFinite) }
  }

  /// Measured bytes of a step.
  package struct Traffic: Hashable, Sendable {
    package var axis: String
    package var collective: String
    package var bytes: Int
  }
}

/// A kernel as timings are kept: what, how large.
package struct KernelIdentity: Hashable, Sendable {
  package var kernel: String
  package var shape: [Int]
  package var transposition: String

  package init(kernel: String, shape: [Int], transposition: String = "") {
    self.kernel = kernel
    self.shape = shape
    self.transposition = transposition
  }
}

extension StoredParameter {
  /// The name of a repetition's tensor in results.
  package func instanceName(layer: Int) -> String {
    repetitions == 1 ? name : "\(name)#\(layer)"
  }
}

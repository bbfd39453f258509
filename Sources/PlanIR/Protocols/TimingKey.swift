/// The identity of one measured kernel on one kind of machine.
///
/// Two kernels with equal keys cost the same; whatever changes a time is in the key. Keys are stored
/// on disk, so their fields are spelled out and never hashed with Swift's per-process hasher.
package struct TimingKey: Hashable, Sendable, Codable, Comparable {
  /// What computes: `matmul`, `norm-apply`, ...
  package var kernel: String
  package var dtype: DType
  /// The kernel's sizes: of a matmul m, n, k; of a collective the devices of its group and the
  /// elements of its whole buffer; else those of ``KernelCall/timedShape(in:)``.
  package var shape: [Int]
  /// For a matmul `NN`, `NT`, `TN` or `TT`, else empty.
  package var transposition: String
  /// What ran it: `openblas`, `swift`, `threads` (collectives); of a GPU `cublas`, `cublas-tf32`, `nvrtc`, `cuda`
  /// (copies).
  package var backend: String
  /// The machine: processor, cores, clock, library build, core name, thread count.
  package var fingerprint: String

  package init(
    kernel: String, dtype: DType, shape: [Int], transposition: String = "", backend: String,
    fingerprint: String
  ) {
    self.kernel = kernel
    self.dtype = dtype
    self.shape = shape
    self.transposition = transposition
    self.backend = backend
    self.fingerprint = fingerprint
  }

  package static func < (left: TimingKey, right: TimingKey) -> Bool {
    if left.fingerprint != right.fingerprint { return left.fingerprint < right.fingerprint }
    if left.backend != right.backend { return left.backend < right.backend }
    if left.kernel != right.kernel { return left.kernel < right.kernel }
    if left.dtype != right.dtype { return left.dtype.rawValue < right.dtype.rawValue }
    if left.transposition != right.transposition {
      return left.transposition < right.transposition
    }
    return left.shape.lexicographicallyPrecedes(right.shape)
  }
}

/// What was measured for a key.
package struct Timing: Hashable, Sendable, Codable {
  /// How many samples a timing may have: what is more was not measured, and sums of it overflow.
  package static let mostSamples = 1 << 40
  /// How long a run may have taken, in nanoseconds: some 30 years.
  package static let longestNanoseconds = 1e18

  /// How many runs were timed.
  package var samples: Int
  /// Median time of one run, thread CPU time where the kernel runs on a CPU.
  package var medianNanoseconds: Double
  /// Half the distance between the first and third quartile.
  package var spreadNanoseconds: Double
  /// The day of the measurement, `2026-11-23`.
  package var date: String
  /// The version of tpplan that measured.
  package var version: String
  /// What a kernel that is neither product nor collective has to do; nil where it was not noted.
  package var amount: KernelAmount?

  package init(
    samples: Int, medianNanoseconds: Double, spreadNanoseconds: Double, date: String,
    version: String, amount: KernelAmount? = nil
  ) {
    self.amount = amount
    self.samples = samples
    self.medianNanoseconds = medianNanoseconds
    self.spreadNanoseconds = spreadNanoseconds
    self.date = date
    self.version = version
  }
}

/// Where measured times are looked up.
package protocol TimingSource: Sendable {
  /// The timing stored for `key`, or nil where none was measured.
  func timing(for key: TimingKey) throws -> Timing?
}

/// Where measured times are kept.
package protocol TimingSink: Sendable {
  /// Stores all of `timings` or none, replacing what their keys held.
  func record(_ timings: [(key: TimingKey, timing: Timing)]) throws
}

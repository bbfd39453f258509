import Calibration
import Executor
import Foundation
import Partitioner
import PlanIR
import TimingStore

/// Measured times of this machine: the database, and the planner's table of it.
struct LocalTimings {
  /// A path given, or nil for the default place.
  let path: String?

  /// What is noted beside each timing.
  var origin: MeasurementOrigin {
    MeasurementOrigin(date: Self.today, version: Version.current)
  }

  private static var today: String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyy-MM-dd"
    return formatter.string(from: Date())
  }

  /// The file: as given, `TPPLAN_TIMINGS`, or the user's data folder.
  func file() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    if path == "" {
      throw CommandFailure(
        code: 64, message: "--timings: expected a file, found an empty path; name one, or drop it")
    }
    if let path { return path }
    if let path = environment["TPPLAN_TIMINGS"], !path.isEmpty { return path }
    return try TimingDatabase.defaultPath(environment: environment)
  }

  func database(
    _ access: TimingDatabase.Access, patience: Double = TimingDatabase.usualPatience
  ) throws -> TimingDatabase {
    try TimingDatabase(file(), access: access, patience: patience)
  }

  /// Records the kernels of a run of `program`, which computed in `dtype`, where no more samples are known. Where the default database
  /// cannot be written the run stands and a warning is printed; a database that was asked for must take
  /// them.
  func record(
    _ times: [KernelIdentity: [Double]], of program: Program, dtype: DType
  ) throws {
    guard !times.isEmpty else { return }
    do {
      let recorder = KernelTimingRecorder(
        fingerprint: MachineFingerprint.current(), origin: origin)
      let timings = recorder.timings(of: times, dtype: dtype, amounts: amounts(of: program))
      let database = try database(.readWrite)
      let known = try database.timings(fingerprint: recorder.fingerprint)
      try database.record(timings.filter { tells($0.timing, moreThan: known[$0.key]) })
    } catch let error as TimingStoreError where path == nil {
      StandardError.print("tpplan: warning: kernel times are not recorded: \(error)")
    }
  }

  /// Whether what a run measured counts for more than what is stored: a calibration has more samples, and warms up.
  private func tells(_ timing: Timing, moreThan known: Timing?) -> Bool {
    guard let known, known.amount != nil || timing.amount == nil else { return true }
    return timing.samples >= known.samples
  }

  /// What the kernels of `program` that are no products have to do. Attention under dropout draws random
  /// numbers, too, which planners do not know of: it has none.
  private func amounts(of program: Program) -> [KernelIdentity: KernelAmount] {
    var amounts: [KernelIdentity: KernelAmount] = [:]
    for kernel in Partitioner.kernels(of: program) where kernel.product == nil {
      if case .operation(.attention) = kernel.call.kind, program.dropout > 0 { continue }
      if case .operation(.attentionGradient) = kernel.call.kind, program.dropout > 0 { continue }
      amounts[kernel.call.identity(in: program.bodies[kernel.body])] = kernel.amount
    }
    return amounts
  }

  /// The table of what was measured in float32 on this machine, as runs on `devices` threads meet it, with its digest.
  ///
  /// On no more than half as many threads as cores BLAS has several: what it computes takes the time that was measured so, all
  /// else that of one core.
  func stored(devices: Int) throws -> StoredTimings {
    let (database, machine) = (try database(.readOnly), MachineFingerprint.here)
    let threads = machine.threads(devices: devices)
    var timings = try database.timings(fingerprint: machine.text)
    if threads > 1 {
      let several = try database.timings(fingerprint: machine.using(threads: threads).text)
      func depends(_ key: TimingKey) -> Bool { MachineFingerprint.dependsOnThreads(key.kernel) }
      timings = timings.filter { !depends($0.key) }
      timings.merge(several.filter { depends($0.key) }) { $1 }
    }
    timings = timings.filter { $0.key.dtype == .float32 }
    return StoredTimings(timings.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  /// Measures `tasks` within `budget` seconds, each stored as soon as it is done; what is stored already only where
  /// `again` says so.
  func measure(
    _ tasks: [CalibrationTask], budget: Double, policy: SamplingPolicy,
    again: Bool = false, progress: (CalibrationProgress) -> Void = { _ in }
  ) throws -> CalibrationOutcome {
    let database = try database(.readWrite)
    let calibrator = Calibrator(origin: origin, policy: policy)
    // A kernel without amount was stored by an earlier version, and tells planners nothing.
    let threads = Set(tasks.map(\.threads)).union([1]).sorted()
    let all = try threads.map {
      try database.timings(fingerprint: calibrator.machine.using(threads: $0).text)
    }
    let stored = all.reduce(into: [:]) { $0.merge($1) { $1 } }.filter {
      $0.value.amount != nil || $0.key.kernel == MatmulTimings.kernel
        || $0.key.backend == CalibrationTask.collectiveBackend
        || $0.key.backend == CalibrationTask.programBackend
    }
    return try calibrator.calibrate(
      tasks, budget: budget, known: stored, again: again, into: database, progress: progress)
  }
}

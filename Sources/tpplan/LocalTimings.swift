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

  private var origin: MeasurementOrigin {
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
    if let path = path ?? environment["TPPLAN_TIMINGS"] { return path }
    return try TimingDatabase.defaultPath(environment: environment)
  }

  func database(_ access: TimingDatabase.Access) throws -> TimingDatabase {
    try TimingDatabase(file(), access: access)
  }

  /// Records a run's kernels, which computed in `dtype`. Where the default database cannot be written the run stands and a
  /// warning is printed; a database that was asked for must take them.
  func record(_ times: [KernelIdentity: [Double]], dtype: DType) throws {
    guard !times.isEmpty else { return }
    do {
      let recorder = KernelTimingRecorder(
        fingerprint: MachineFingerprint.current(), origin: origin)
      try database(.readWrite).record(recorder.timings(of: times, dtype: dtype))
    } catch let error as TimingStoreError where path == nil {
      StandardError.print("tpplan: warning: kernel times are not recorded: \(error)")
    }
  }

  /// The table of products measured on one core of this machine.
  func table() throws -> TimingTable {
    let fingerprint = MachineFingerprint.current(threads: 1)
    var table = TimingTable()
    let stored = try database(.readOnly).timings(fingerprint: fingerprint)
    for (key, timing) in stored where key.kernel == MatmulTimings.kernel {
      guard key.shape.count == 3, key.dtype == .float32 else { continue }
      table.record(
        .init(
          m: key.shape[0], n: key.shape[1], k: key.shape[2], transposition: key.transposition),
        seconds: timing.medianNanoseconds * 1e-9)
    }
    return table
  }

  /// Measures `sizes` within `budget` seconds, each stored as soon as it is done.
  func measure(
    _ sizes: [TimingTable.MatmulSize], budget: Double, skipStored: Bool,
    progress: (Int, Int) -> Void
  ) throws -> CalibrationOutcome {
    let database = try database(.readWrite)
    let calibrator = MatmulCalibrator(origin: origin)
    let products = sizes.compactMap { size in
      MatmulProduct.Transposition(rawValue: size.transposition).flatMap {
        MatmulProduct(m: size.m, n: size.n, k: size.k, transposition: $0)
      }
    }
    let stored = try database.timings(fingerprint: calibrator.fingerprint)
    return try calibrator.calibrate(
      sizes: products, budget: budget, skip: skipStored ? Set(stored.keys) : [], into: database,
      progress: progress)
  }
}

/// A search on this machine: uses measured products, and measures those that the best plans lack.
struct LocalSearch {
  let path: String?

  /// Seconds that a search may spend measuring.
  private static let budget = 5.0
  /// The plans whose products are measured.
  private static let measuredPlans = 10

  func run(_ request: inout SearchRequest) throws -> SearchAnswer {
    let timings = LocalTimings(path: path)
    request.timings = try timings.table()
    var answer = Search.run(request)
    let missing = try missing(request, answer)
    guard !missing.isEmpty else { return answer }
    let outcome = try timings.measure(
      missing, budget: Self.budget, skipStored: true, progress: { _, _ in })
    StandardError.print(
      "tpplan: measured \(outcome.measured.count) products for the best plans"
        + (outcome.left.isEmpty ? "" : ", \(outcome.left.count) left: tpplan calibrate"))
    request.timings = try timings.table()
    answer = Search.run(request)
    return answer
  }

  private func missing(
    _ request: SearchRequest, _ answer: SearchAnswer
  ) throws -> [TimingTable.MatmulSize] {
    var sizes: Set<TimingTable.MatmulSize> = []
    for plan in answer.plans.prefix(Self.measuredPlans) {
      sizes.formUnion(
        try Partitioner.matmulSizes(of: request.training, choices: plan.choices))
    }
    return sizes.filter { !request.timings.has($0) }.sorted()
  }
}

import Calibration
import Foundation
import GRDB
import PlanIR
import Testing
import TimingStore

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Processes that are killed while they calibrate", .serialized)
struct TimingKillTests {
  /// 50 rounds behind `TPPLAN_FULL=1`.
  private static let rounds =
    ProcessInfo.processInfo.environment["TPPLAN_FULL"] == "1" ? 50 : 5
  private static let processes = 8
  private static let origin = MeasurementOrigin(date: "2026-11-23", version: "test")

  /// Each process begins at another product, so that several write different keys and the same.
  private static func tasks(from number: Int) -> [CalibrationTask] {
    let extents = (0..<160).map { 1 + ($0 + 20 * number) % 160 }
    return extents.compactMap { MatmulProduct(m: $0, n: 8, k: 8) }.map { .product($0) }
  }

  private static func calibrate(_ path: String, number: Int, log: String) throws {
    let database = try TimingDatabase(path)
    let calibrator = Calibrator(
      origin: origin,
      policy: SamplingPolicy(
        minimumSamples: 1, maximumSamples: 2, minimumSampleSeconds: 1e-5, enoughSeconds: 1e-5))
    let known = try database.timings(fingerprint: calibrator.fingerprint)
    let descriptor = open(log, O_WRONLY | O_APPEND | O_CREAT, 0o600)
    precondition(descriptor >= 0)
    _ = try calibrator.calibrate(
      tasks(from: number), budget: 60, known: known, into: database
    ) { step in
      // One write, after the measurement is stored: what stands in the log must be in the file.
      let line = "\(step.key.shape[0])\n"
      _ = line.withCString { write(descriptor, $0, strlen($0)) }
    }
  }

  /// Ends this process by SIGKILL at `seconds` from now, whatever it does then.
  private static func dieLater(_ seconds: Double) {
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: seconds)
      kill(getpid(), SIGKILL)
    }
  }

  private static func awaitEnd() { Thread.sleep(forTimeInterval: 60) }

  private static func finished(_ log: String) -> Set<Int> {
    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    return Set(text.split(separator: "\n").compactMap { Int($0) })
  }

  /// Eight processes at once, each to be killed after its delay.
  private static func round(_ path: String, _ log: String, _ delays: [Double]) async {
    await withTaskGroup { group in
      for (number, delay) in delays.enumerated() {
        group.addTask {
          await #expect(processExitsWith: .signal(SIGKILL), "process \(number)") {
            [
              path = path as String, log = log as String, number = number as Int,
              delay = delay as Double
            ] in
            Self.dieLater(delay)
            do {
              try Self.calibrate(path, number: number, log: log)
            } catch {
              FileHandle.standardError.write(Data("\(error)\n".utf8))
              exit(1)
            }
            // Everything was measured before the end came.
            Self.awaitEnd()
          }
        }
      }
    }
  }

  @Test("Eight that are killed and started again lose nothing finished and leave the file sound")
  func killed() async throws {
    let folder = try TemporaryFolder()
    let seed = UInt64.random(in: 0...UInt64.max)
    let generator = CounterGenerator(seed: seed, name: "kill")
    let log = folder.path + "/log"
    var (measured, longest) = (0, 0.8)
    for round in 0..<Self.rounds {
      let delays = (0..<Self.processes).map { number in
        longest * generator.uniform(at: UInt64(round * Self.processes + number))
      }
      await Self.round(folder.database, log, delays)
      let finished = Self.finished(log)
      // On a busy machine none may have come that far.
      if finished.isEmpty { longest *= 2 }
      guard FileManager.default.fileExists(atPath: folder.database) else {
        #expect(finished.isEmpty)
        continue
      }
      let stored = try TimingDatabase(folder.database, access: .readOnly).all()
      let missing = finished.subtracting(stored.map(\.key.shape[0]))
      #expect(missing.isEmpty, "round \(round) of seed \(seed) lost \(missing.sorted())")
      let check = try await DatabaseQueue(path: folder.database).read {
        try String.fetchAll($0, sql: "PRAGMA integrity_check")
      }
      #expect(check == ["ok"], "round \(round) of seed \(seed)")
      measured = stored.count
    }
    #expect(measured > 0, "seed \(seed): no process came to store anything")
    try Self.calibrate(folder.database, number: 0, log: log)
    #expect(try TimingDatabase(folder.database).all().count == 160)
  }
}

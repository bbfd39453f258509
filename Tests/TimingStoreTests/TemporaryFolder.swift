import Foundation
import PlanIR
import TimingStore

/// A folder of its own for a test, removed with all it holds when the test lets go of it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "tpplan-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of the database most tests use.
  var database: String { path + "/timings.sqlite" }

  /// The names in the folder, sorted.
  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}

extension TimingKey {
  static func sample(
    _ kernel: String = "matmul", shape: [Int] = [512, 1024, 1024], on fingerprint: String = "epyc"
  ) -> TimingKey {
    TimingKey(
      kernel: kernel, dtype: .float32, shape: shape, transposition: "NT", backend: "openblas",
      fingerprint: fingerprint)
  }
}

extension Timing {
  static func sample(_ median: Double = 10.5, date: String = "2026-11-23") -> Timing {
    Timing(
      samples: 9, medianNanoseconds: median, spreadNanoseconds: 0.25, date: date,
      version: "0.1.0")
  }
}

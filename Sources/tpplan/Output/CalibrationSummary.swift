import Calibration
import Formats
import PlanIR

/// What a calibration did, for people and for programs.
struct CalibrationSummary {
  private let outcome: CalibrationOutcome

  init(_ outcome: CalibrationOutcome) { self.outcome = outcome }

  var document: JSONValue {
    .object(
      [
        JSONMember(key: "schema", value: "tpplan.calibrate/1"),
        JSONMember(key: "measured", value: .integer(outcome.measured.count)),
        JSONMember(key: "skipped", value: .integer(outcome.skipped)),
        JSONMember(key: "left", value: .integer(outcome.left.count)),
        JSONMember(key: "too_large", value: .integer(outcome.tooLarge.count)),
        JSONMember(
          key: "kinds",
          value: .object(
            kinds.map { JSONMember(key: $0.name, value: .integer($0.count)) })),
      ])
  }

  var text: String {
    let kinds = kinds.filter { $0.count > 0 }.map { "\($0.count) \($0.name)" }
    return "\(outcome.measured.count) measured"
      + (kinds.isEmpty ? "" : " (\(kinds.joined(separator: ", ")))")
      + ", \(outcome.skipped) known already, \(outcome.left.count) left for another run"
      + (outcome.tooLarge.isEmpty ? "" : ", \(outcome.tooLarge.count) too large")
  }

  /// Of what was measured now.
  private var kinds: [(name: String, count: Int)] {
    func count(_ isCounted: (TimingKey) -> Bool) -> Int {
      outcome.measured.count { isCounted($0.key) }
    }
    func isProduct(_ key: TimingKey) -> Bool { key.kernel == MatmulTimings.kernel }
    func isCollective(_ key: TimingKey) -> Bool {
      key.backend == CalibrationTask.collectiveBackend
    }
    return [
      ("products", count(isProduct)), ("kernels", count { !isProduct($0) && !isCollective($0) }),
      ("collectives", count(isCollective)),
    ]
  }
}

extension CalibrationProgress {
  /// `matmul 512x1024x1024 NT float32: 10.5 us +- 0.2 us`.
  var text: String {
    let shape = key.shape.map(String.init).joined(separator: "x")
    let words = [key.kernel, shape, key.transposition, key.dtype.rawValue].filter { !$0.isEmpty }
    return words.joined(separator: " ") + ": " + Units.seconds(timing.medianNanoseconds * 1e-9)
      + " +- " + Units.seconds(timing.spreadNanoseconds * 1e-9)
  }
}

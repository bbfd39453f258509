import Calibration
import Formats
import PlanIR

/// What a calibration did, for people and for programs.
struct CalibrationSummary {
  private let outcome: CalibrationOutcome
  /// The GPU that was measured; nil where it was this machine's cores.
  private let gpu: CUDACalibration.Answer?

  init(_ outcome: CalibrationOutcome) { (self.outcome, gpu) = (outcome, nil) }

  init(_ gpu: CUDACalibration.Answer) { (outcome, self.gpu) = (gpu.outcome, gpu) }

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
      ] + (gpu.map(members) ?? []))
  }

  /// What the answer of a GPU has beside.
  private func members(_ gpu: CUDACalibration.Answer) -> [JSONMember] {
    let rates = gpu.rates.all.map { rate in
      JSONMember(
        key: rate.name.replacing("-", with: "_")
          + (rate.isProduct ? "_flops_per_second" : "_bytes_per_second"),
        value: .number(rate.perSecond))
    }
    return [
      JSONMember(key: "fingerprint", value: .string(gpu.fingerprint)),
      JSONMember(key: "rates", value: .object(rates)),
      JSONMember(key: "attention", value: "modelled from its parts"),
    ]
  }

  func text(storedIn file: String) -> String {
    guard let gpu else { return counts + "; in \(file)" }
    let rates = gpu.rates.all.map { rate in
      "\(rate.isProduct ? "matmul " : "")\(rate.name): up to "
        + Units.rate(rate.perSecond, rate.isProduct ? "FLOP" : "B")
    }
    let note =
      "attention is not measured, as cuDNN is not used: it is modelled from its parts"
    return ([gpu.fingerprint, counts + "; in \(file)"] + rates + [note]).joined(separator: "\n")
  }

  private var counts: String {
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
    let others = gpu == nil ? CalibrationTask.collectiveBackend : CUDACopy.backend
    func isOther(_ key: TimingKey) -> Bool { key.backend == others }
    return [
      ("products", count(isProduct)), ("kernels", count { !isProduct($0) && !isOther($0) }),
      (gpu == nil ? "collectives" : "copies", count(isOther)),
    ]
  }
}

extension CalibrationProgress {
  /// `matmul 512x1024x1024 NT float32: 10.5 us +- 0.2 us`.
  var text: String {
    let shape = key.shape.map(String.init).joined(separator: "x")
    let dtype = key.dtype.rawValue + (key.backend.hasSuffix("-tf32") ? " (tf32)" : "")
    let words = [key.kernel, shape, key.transposition, dtype].filter { !$0.isEmpty }
    return words.joined(separator: " ") + ": " + Units.seconds(timing.medianNanoseconds * 1e-9)
      + " +- " + Units.seconds(timing.spreadNanoseconds * 1e-9)
  }
}

import ArgumentParser
import Partitioner
import PlanIR

extension LayoutName: ExpressibleByArgument {}
extension GatherChoice: ExpressibleByArgument {}
extension ContextAttention: ExpressibleByArgument {}
extension MatmulSchedule: ExpressibleByArgument {}
extension Recomputation: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension Optimizer: ExpressibleByArgument {}
extension AttentionForm: ExpressibleByArgument {}
extension Objective: ExpressibleByArgument {}

extension PlanDecision: ExpressibleByArgument {
  /// With dashes, as other values of options have.
  public init?(argument: String) { self.init(rawValue: argument.replacing("-", with: "_")) }

  /// What help and completions list.
  public static var allValueStrings: [String] {
    allCases.map { $0.rawValue.replacing("_", with: "-") }
  }
}

/// The schedules that `--schedule` takes.
enum ScheduleArgument: String, ExpressibleByArgument, CaseIterable {
  case gpipe
  case oneForwardOneBackward = "1f1b"
  case interleaved
  case zeroBubble = "zb-h1"

  var schedule: PipelineSchedule { PipelineSchedule(rawValue: rawValue) ?? .none }
}

/// The layouts that `--layout` takes: those there are, and any point of the space.
enum LayoutArgument: String, ExpressibleByArgument, CaseIterable {
  case data, megatron, summa, tesseract
  case threeDimensional = "3d"
  case stationary, sequence, mixed, any

  /// Axes of a `--mesh`; nil for layouts that take none.
  var meshRank: Int? {
    switch self {
    case .summa, .stationary: 2
    case .tesseract, .threeDimensional: 3
    case .data, .megatron, .sequence, .mixed, .any: nil
    }
  }
}

/// `80GiB`, `80GB`, `512MiB`, a number of bytes, or `unlimited`.
struct MemoryArgument: ExpressibleByArgument {
  let limit: MemoryLimit

  init?(argument: String) {
    if argument == "unlimited" {
      limit = .unlimited
      return
    }
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = String(argument.dropFirst(digits.count))
    guard let factor = Self.units[unit], let number = Double(digits), number > 0,
      number * factor < 9e18
    else { return nil }
    if unit.isEmpty && Int(digits) == nil { return nil }
    limit = .bytes(Bytes(Int((number * factor).rounded(.down))))
  }

  private static let units: [String: Double] = [
    "": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1024,
    "MiB": 1_048_576, "GiB": 1_073_741_824, "TiB": 1_099_511_627_776,
  ]
}

/// `2x4` or `2x2x2`: degrees of a tensor mesh.
struct MeshArgument: ExpressibleByArgument {
  let degrees: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false)
    let degrees = parts.compactMap { Int($0) }
    guard degrees.count == parts.count, !degrees.isEmpty,
      degrees.allSatisfy({ $0 > 0 && $0 <= PlanLimits.devices }),
      degrees.reduce(1, { $0 * min($1, 1 + PlanLimits.devices / $0) }) <= PlanLimits.devices
    else { return nil }
    self.degrees = degrees
  }
}

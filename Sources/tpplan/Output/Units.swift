import Foundation
import PlanIR

/// Figures with units, for people.
enum Units {
  static func bytes(_ bytes: Bytes) -> String { Self.bytes(Double(bytes.count)) }

  static func bytes(_ count: Double) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var value = count
    var unit = 0
    while value.magnitude >= 1024 && unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return unit == 0 ? "\(Int(value)) B" : String(format: "%.2f %@", value, units[unit])
  }

  static func time(_ time: Picoseconds) -> String { seconds(time.seconds) }

  static func seconds(_ seconds: Double) -> String {
    switch seconds.magnitude {
    case 0: "0 s"
    case ..<1e-6: String(format: "%.0f ns", seconds * 1e9)
    case ..<1e-3: String(format: "%.2f us", seconds * 1e6)
    case ..<1: String(format: "%.2f ms", seconds * 1e3)
    default: String(format: "%.3f s", seconds)
    }
  }

  /// A rate of `unit` a second in decimal steps, three digits: `23.4 GB/s`.
  static func rate(_ rate: Double, _ unit: String) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P", "E"]
    var value = rate
    var prefix = 0
    while value >= 999.5 && prefix < prefixes.count - 1 {
      value /= 1000
      prefix += 1
    }
    let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return String(format: "%.\(digits)f %@%@/s", value, prefixes[prefix], unit)
  }

  static func percent(_ fraction: Double) -> String { String(format: "%.1f %%", fraction * 100) }

  /// A share that is not zero: `3.2 %`, `less than 0.1 %`.
  static func share(_ fraction: Double) -> String {
    fraction < 0.0005 ? "less than 0.1 %" : percent(fraction)
  }

  /// A change with its sign: `+3.2 %`.
  static func change(_ fraction: Double) -> String { (fraction < 0 ? "" : "+") + percent(fraction) }

  static func ratio(_ ratio: Double) -> String { String(format: "%.2fx", ratio) }

  static func count(_ count: Int) -> String {
    let digits = String(count)
    var groups: [Substring] = []
    var rest = digits[...]
    while rest.count > 3 {
      groups.append(rest.suffix(3))
      rest = rest.dropLast(3)
    }
    return ([rest] + groups.reversed()).joined(separator: ",")
  }

  static func deviation(_ value: Double) -> String { String(format: "%.2e", value) }
}

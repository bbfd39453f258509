/// Bytes over all devices by axes and collective, as answers list them; entries of none left out.
struct Traffic: Equatable, ExpressibleByDictionaryLiteral {
  private(set) var bytes: [String: Int] = [:]

  init(dictionaryLiteral entries: (String, Int)...) {
    for (name, count) in entries { add(count, to: name) }
  }

  /// Adds `count` bytes to the entry `name`, `axes collective`.
  mutating func add(_ count: Int, to name: String) {
    let sum = bytes[name, default: 0] + count
    bytes[name] = sum == 0 ? nil : sum
  }

  /// All bytes, whatever they cross.
  var total: Int { bytes.values.reduce(0, +) }

  static func + (left: Traffic, right: Traffic) -> Traffic {
    var sum = left
    for (name, count) in right.bytes { sum.add(count, to: name) }
    return sum
  }

  static func * (traffic: Traffic, times: Int) -> Traffic {
    var product: Traffic = [:]
    for (name, count) in traffic.bytes { product.add(count * times, to: name) }
    return product
  }

  /// The entries that are not as `expected`, short enough for a failure's message.
  func differences(from expected: Traffic) -> String {
    Set(bytes.keys).union(expected.bytes.keys).sorted()
      .filter { bytes[$0] != expected.bytes[$0] }
      .map { "\($0): expected \(expected.bytes[$0] ?? 0), found \(bytes[$0] ?? 0)" }
      .joined(separator: "; ")
  }
}

/// The name of a group that spans `axes`, of which those of size 1 are left out.
func joined(_ axes: KeyValuePairs<String, Int>) -> String {
  axes.filter { $0.value > 1 }.map(\.key).joined(separator: "+")
}

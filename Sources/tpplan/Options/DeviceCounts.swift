import PlanIR

/// Device counts in words: `8,16,24`, `64..4096` (doubling), `8..64:8` (in steps), or a mix of them.
///
/// `A..B` is A, 2A, 4A, ... up to B, so that B itself is among them only where it is A times a power
/// of two; `A..B:STEP` is A, A + STEP, ... up to B. Counts are sorted, each once.
struct DeviceCounts: Hashable {
  let counts: [Int]

  /// A sweep searches this many times at most.
  static let most = 64

  /// - Throws: ``DeviceCountsError`` where `text` is none of these.
  init(parsing text: String) throws(DeviceCountsError) {
    var counts: Set<Int> = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      counts.formUnion(try Self.counts(of: String(item)))
      guard counts.count <= Self.most else { throw .tooMany }
    }
    self.counts = counts.sorted()
  }

  private static func counts(of item: String) throws(DeviceCountsError) -> [Int] {
    guard let dots = item.firstRange(of: "..") else { return [try number(item[...], in: item)] }
    let first = try number(item[..<dots.lowerBound], in: item)
    let rest = item[dots.upperBound...]
    let end = rest.firstIndex(of: ":")
    let last = try number(rest[..<(end ?? rest.endIndex)], in: item)
    guard first <= last else { throw .descending(item) }
    guard let end else { return doubling(first, upTo: last) }
    let step = try number(rest[rest.index(after: end)...], in: item)
    guard (last - first) / step < most else { throw .tooMany }
    return Array(stride(from: first, through: last, by: step))
  }

  private static func doubling(_ first: Int, upTo last: Int) -> [Int] {
    Array(sequence(first: first) { $0 * 2 <= last ? $0 * 2 : nil })
  }

  private static func number(
    _ digits: Substring, in item: String
  ) throws(DeviceCountsError) -> Int {
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
      (1...PlanLimits.devices).contains(number)
    else { throw .malformed(item) }
    return number
  }
}

/// Why words are no device counts.
enum DeviceCountsError: Error, Hashable, CustomStringConvertible {
  case malformed(String)
  case descending(String)
  case tooMany

  var description: String {
    switch self {
    case .malformed(let item):
      "expected N, A..B or A..B:STEP of whole numbers from 1 to \(PlanLimits.devices), found '\(item)'"
    case .descending(let item):
      "expected a range that ascends, found '\(item)'"
    case .tooMany:
      "expected at most \(DeviceCounts.most) counts, found more; take a larger step"
    }
  }
}

import PlanIR

/// Flags of a command line with the words that follow each; of a flag given twice the last counts.
struct LaunchFlags {
  /// Each flag once, in order of its first appearance, without values.
  private(set) var names: [String] = []
  private var values: [String: [String]] = [:]
  private(set) var taken: Set<String> = []
  /// Words that belong to no flag.
  private(set) var loose: [String] = []

  /// `--name value`, `--name=value`; what does not begin with two dashes belongs to the flag before.
  init(_ words: [String]) {
    var current: String?
    for word in words {
      guard word.hasPrefix("--"), word.count > 2 else {
        if let current { values[current, default: []].append(word) } else { loose.append(word) }
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if values[name] == nil { names.append(name) }
      values[name] = parts.count > 1 ? [String(parts[1])] : []
      current = name
    }
  }

  /// Whether the flag is there; what follows it is loose.
  mutating func flag(_ name: String) -> Bool {
    guard let words = values[name] else { return false }
    if taken.insert(name).inserted { loose += words }
    return true
  }

  /// The flag's one value, nil where it is not there; more words are loose.
  mutating func text(_ name: String) throws(LaunchError) -> String? {
    guard let words = values[name] else { return nil }
    guard let value = words.first else {
      throw LaunchError(name, expected: "a value", found: "none", remedy: "give one after the flag")
    }
    if taken.insert(name).inserted { loose += words.dropFirst() }
    return value
  }

  /// All words that follow the flag.
  mutating func list(_ name: String) -> [String]? {
    taken.insert(name)
    return values[name]
  }

  /// The flag's value as a whole number.
  mutating func integer(
    _ name: String, in range: ClosedRange<Int> = 1...(1 << 32)
  ) throws(LaunchError) -> Int? {
    guard let text = try text(name) else { return nil }
    if let number = Int(text), range.contains(number) { return number }
    throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)", text)
  }

  /// The value of the first of `names` that is there: of a flag with several spellings.
  mutating func integer(
    anyOf names: [String], in range: ClosedRange<Int> = 1...(1 << 32)
  ) throws(LaunchError) -> Int? {
    var found: Int?
    for name in names {
      let value = try integer(name, in: range)
      found = found ?? value
    }
    return found
  }

  /// The flag's value as a number.
  mutating func number(_ name: String, in range: ClosedRange<Double>) throws(LaunchError) -> Double?
  {
    guard let text = try text(name) else { return nil }
    if let number = Double(text), range.contains(number) { return number }
    throw wrong(name, "a number from \(range.lowerBound) to \(range.upperBound)", text)
  }

  /// The flag's value, which is one of `choices`.
  mutating func choice(_ name: String, of choices: [String]) throws(LaunchError) -> String? {
    guard let text = try text(name) else { return nil }
    if choices.contains(text) { return text }
    throw wrong(name, "one of \(choices.joined(separator: ", "))", text)
  }

  private func wrong(_ name: String, _ expected: String, _ found: String) -> LaunchError {
    let isVariable = found.contains("$")
    return LaunchError(
      name, expected: expected, found: found.quoted(),
      remedy: isVariable ? "let the shell expand the variable first" : "correct the value")
  }
}

import Formats
import PlanIR

/// Changes JSON values as careless and hostile authors would: sizes out of range, names exchanged,
/// members removed, doubled or moved, so that most changes pass the reader of JSON itself.
struct JSONMutator {
  private let generator: CounterGenerator
  private var index: UInt64 = 0

  init(seed: UInt64, number: UInt64) {
    generator = CounterGenerator(seed: seed, name: "json case \(number)")
  }

  /// `value` with one to three changes.
  mutating func changed(_ value: JSONValue) -> JSONValue {
    var result = value
    for _ in 0...below(3) { result = change(result) }
    return result
  }

  private mutating func change(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(var members) where !members.isEmpty && below(8) > 0:
      let place = below(members.count)
      switch below(12) {
      case 0: members.remove(at: place)
      case 1: members[place].value = members[below(members.count)].value
      default: members[place].value = change(members[place].value)
      }
      return .object(members)
    case .array(var elements) where !elements.isEmpty && below(8) > 0:
      let place = below(elements.count)
      switch below(10) {
      case 0: elements.remove(at: place)
      case 1: elements.insert(elements[place], at: below(elements.count))
      case 2: elements.swapAt(place, below(elements.count))
      default: elements[place] = change(elements[place])
      }
      return .array(elements)
    case .object, .array, .string, .integer, .number, .bool, .null:
      return Self.replacements[below(Self.replacements.count)]
    }
  }

  private mutating func below(_ bound: Int) -> Int {
    index += 1
    return generator.integer(below: bound, at: index)
  }

  private static let replacements: [JSONValue] =
    [
      0, 1, 2, 3, 7, 8, 64, 65536, 16_777_216, .integer(.max), .integer(.min), -1, 0.5, 1e300,
      1e-300, true, false, nil, [], [:], ["input"], ["hidden"], [[]],
    ]
    + [
      "", "input", "tokens", "labels", "norm", "query", "output", "logits", "loss", "table",
      "norm.statistics", "context.scores", "embedding/table", "norm.gain", "hidden", "positions",
      "vocabulary", "heads", "batch", "linear", "add", "dropout", "attention", "rotary", "mlp",
      "head", "embedding", "cross_entropy", "yarn", "llama3", "{layer}", "\u{0}",
    ].map { .string($0) }
}

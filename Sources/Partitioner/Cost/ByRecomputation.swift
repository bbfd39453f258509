import PlanIR

/// A value for some of the ways in which a layer is computed again: a dictionary without hashing.
struct ByRecomputation<Value>: Sequence, ExpressibleByDictionaryLiteral {
  private var none, selective, full, mixed: Value?

  init(dictionaryLiteral elements: (Recomputation, Value)...) {
    for (kind, value) in elements { self[kind] = value }
  }

  /// The same as a dictionary.
  init(_ values: [Recomputation: Value]) {
    for (kind, value) in values { self[kind] = value }
  }

  subscript(kind: Recomputation) -> Value? {
    get {
      switch kind {
      case .none: none
      case .selective: selective
      case .full: full
      case .mixed: mixed
      }
    }
    set {
      switch kind {
      case .none: none = newValue
      case .selective: selective = newValue
      case .full: full = newValue
      case .mixed: mixed = newValue
      }
    }
  }

  var isEmpty: Bool { Recomputation.allCases.allSatisfy { self[$0] == nil } }

  func makeIterator() -> Iterator { Iterator(values: self) }

  /// The ways that have a value, each with it, in the order of the cases.
  struct Iterator: IteratorProtocol {
    fileprivate let values: ByRecomputation
    private var place = 0

    fileprivate init(values: ByRecomputation) { self.values = values }

    mutating func next() -> (key: Recomputation, value: Value)? {
      while place < 4 {
        place += 1
        switch place {
        case 1: if let value = values.none { return (.none, value) }
        case 2: if let value = values.selective { return (.selective, value) }
        case 3: if let value = values.full { return (.full, value) }
        default: if let value = values.mixed { return (.mixed, value) }
        }
      }
      return nil
    }
  }

  func mapValues<Other>(_ change: (Value) -> Other) -> ByRecomputation<Other> {
    var result: ByRecomputation<Other> = [:]
    result.none = none.map(change)
    result.selective = selective.map(change)
    result.full = full.map(change)
    result.mixed = mixed.map(change)
    return result
  }

  /// Takes the values of `other` in, joined with its own where it has some.
  mutating func merge(_ other: Self, _ join: (Value, Value) -> Value) {
    func both(_ first: Value?, _ second: Value?) -> Value? {
      guard let first, let second else { return first ?? second }
      return join(first, second)
    }
    none = both(none, other.none)
    selective = both(selective, other.selective)
    full = both(full, other.full)
    mixed = both(mixed, other.mixed)
  }

  func merging(_ other: Self, _ join: (Value, Value) -> Value) -> Self {
    var result = self
    result.merge(other, join)
    return result
  }
}

extension ByRecomputation: Sendable where Value: Sendable {}

extension ByRecomputation: Equatable where Value: Equatable {}

/// Values in the order in which they first came, each once.
package struct DistinctList<Value: Hashable> {
  package private(set) var all: [Value] = []
  private var known: Set<Value> = []

  package init() {}

  package mutating func add(_ value: Value) {
    if known.insert(value).inserted { all.append(value) }
  }

  package mutating func add(_ values: some Sequence<Value>) {
    for value in values { add(value) }
  }
}

extension DistinctList: Sendable where Value: Sendable {}

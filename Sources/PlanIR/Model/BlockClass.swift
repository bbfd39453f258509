/// The kinds of blocks that a model's chain is made of; a layout is chosen for each.
package enum BlockClass: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
  case embedding, attention, mlp, head

  package static func < (left: BlockClass, right: BlockClass) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// A value for each kind of blocks: a dictionary without hashing.
package struct ByBlockClass<Value> {
  private var embedding, attention, mlp, head: Value?

  /// No kind has a value.
  package init() {}

  package subscript(blockClass: BlockClass) -> Value? {
    get {
      switch blockClass {
      case .embedding: embedding
      case .attention: attention
      case .mlp: mlp
      case .head: head
      }
    }
    set {
      switch blockClass {
      case .embedding: embedding = newValue
      case .attention: attention = newValue
      case .mlp: mlp = newValue
      case .head: head = newValue
      }
    }
  }
}

extension ByBlockClass: Sendable where Value: Sendable {}

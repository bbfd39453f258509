/// The kinds of blocks that a model's chain is made of; a layout is chosen for each.
package enum BlockClass: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
  case embedding, attention, mlp, head

  package static func < (left: BlockClass, right: BlockClass) -> Bool {
    left.rawValue < right.rawValue
  }
}

package import PlanIR

/// What became of every plan that a search might have found: a tree of decisions, cut off where a bound
/// excludes all that follow.
package struct Certificate: Sendable, Equatable {
  package private(set) var root: Node

  /// What is decided next: by its words, see ``CertificatePath``.
  package struct Node: Sendable, Equatable {
    package private(set) var children: [String: Node]
    /// Of a node without children.
    package private(set) var bound: CertifiedBound?

    package init(children: [String: Node] = [:], bound: CertifiedBound? = nil) {
      (self.children, self.bound) = (children, bound)
    }

    fileprivate mutating func add(_ path: ArraySlice<String>, _ bound: CertifiedBound) {
      guard let word = path.first else {
        self.bound = self.bound.map { $0.least(bound) } ?? bound
        return
      }
      children[word, default: Node()].add(path.dropFirst(), bound)
    }
  }

  package init(root: Node = Node()) { self.root = root }

  /// Notes that whatever begins with `path` is bounded by `bound`.
  mutating func add(_ path: [String], _ bound: CertifiedBound) { root.add(path[...], bound) }

  /// What stands for all decisions that are not named beside it.
  package static let others = "*"

  /// Where it is cut off: paths in the order of their words.
  package var leaves: [(path: [String], bound: CertifiedBound)] {
    var found: [(path: [String], bound: CertifiedBound)] = []
    func visit(_ node: Node, _ path: [String]) {
      if let bound = node.bound { found.append((path, bound)) }
      for (word, child) in node.children.sorted(by: { $0.key < $1.key }) {
        visit(child, path + [word])
      }
    }
    visit(root, [])
    return found
  }

  /// The leaf that a plan falls under, whose decisions are `path`; nil where the tree has none.
  package func leaf(of path: [String]) -> (path: [String], bound: CertifiedBound)? {
    var (node, taken) = (root, [String]())
    for word in path {
      if let bound = node.bound { return (taken, bound) }
      if let child = node.children[word] {
        (node, taken) = (child, taken + [word])
      } else if let child = node.children[Self.others] {
        (node, taken) = (child, taken + [Self.others])
      } else {
        return nil
      }
    }
    return node.bound.map { (taken, $0) }
  }

  /// A number that any other tree is unlikely to have (FNV-1a, 64 bits, over all leaves in order).
  package var digest: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for (path, bound) in leaves {
      let text = path.joined(separator: "/") + "=" + bound.text + "\n"
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
    return hash
  }
}

/// What is said of plans that were not priced, or were.
package enum CertifiedBound: Hashable, Sendable {
  /// Those that fit take as long at least.
  case step(Picoseconds)
  /// None divides and fits.
  case none

  /// What holds where one of both does.
  func least(_ other: CertifiedBound) -> CertifiedBound {
    switch (self, other) {
    case (.step(let left), .step(let right)): .step(min(left, right))
    case (.step, .none): self
    case (.none, _): other
    }
  }

  fileprivate var text: String {
    switch self {
    case .step(let step): String(step.count)
    case .none: "none"
    }
  }
}

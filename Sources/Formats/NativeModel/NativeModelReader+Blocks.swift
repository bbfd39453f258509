import PlanIR

extension NativeModelReader {
  /// Reads a block of a segment that repeats `count` times.
  mutating func block(_ node: JSONNode, count: Int) throws(FormatError) -> Block {
    try node.refuseFields(besides: [
      "name", "class", "parameters", "borrowed", "operations", "output", "shardings",
    ])
    let name = try node.field("name").modelName()
    let place = "block \(name)"
    if places[place] != nil {
      throw try node.field("name").malformed(
        expected: "a name that no other block has", remedy: "rename one of the two")
    }
    places[place] = node
    var block = Block(
      name: name, blockClass: try node.field("class").choice(of: BlockClass.self),
      parameters: [], operations: [], output: try node.field("output").string())
    try readParameters(of: node, into: &block)
    try readBorrowed(of: node, into: &block, count: count)
    try readOperations(of: node, into: &block)
    block.shardings = try node.optional("shardings")?.shardings() ?? [:]
    if count == 1 { borrowable.formUnion(block.parameters.map { "\(name)/\($0.name)" }) }
    return block
  }

  private mutating func readBorrowed(
    of node: JSONNode, into block: inout Block, count: Int
  ) throws(FormatError) {
    guard let list = try node.optional("borrowed") else { return }
    for element in try list.array() {
      let reference = try element.string()
      if block.borrowed.contains(reference) || !borrowable.contains(reference) || count > 1 {
        throw element.malformed(
          expected: "a parameter, `block/parameter`, of an earlier block, neither of them repeated",
          remedy: "name such a parameter, once")
      }
      block.borrowed.append(reference)
    }
  }
}

extension JSONNode {
  /// Values' shardings: for each dimension the axes or sub-axes, `axis:(pre)size`.
  fileprivate func shardings() throws(FormatError) -> [String: [[String]]] {
    var shardings: [String: [[String]]] = [:]
    for (name, node) in try members() {
      var (dimensions, seen): ([[String]], Set<String>) = ([], [])
      for list in try node.array() {
        var axes: [String] = []
        for element in try list.array() {
          axes.append(try element.axis())
          if !seen.insert(axes[axes.count - 1]).inserted {
            throw element.malformed(expected: "an axis that did not come before in this value")
          }
        }
        dimensions.append(axes)
      }
      shardings[name] = dimensions
    }
    return shardings
  }

  private func axis() throws(FormatError) -> String {
    let text = try string()
    let match = text.wholeMatch(of: /[a-z][a-z0-9_]*(?::\(([1-9][0-9]{0,8})\)([1-9][0-9]{0,8}))?/)
    if let match, match.output.2 != "1" { return text }
    throw malformed(
      expected: "an axis such as \"tensor\" or a sub-axis such as \"tensor:(2)4\"")
  }
}

extension JSONNode {
  /// The fields of an object, in the file's order.
  ///
  /// - Throws: ``FormatError`` where this is no object.
  package func members() throws(FormatError) -> [(key: String, node: JSONNode)] {
    try object().map { ($0.key, child($0.key, $0.value)) }
  }

  /// The field called `name`.
  ///
  /// - Throws: ``FormatError`` where this is no object or has no such field.
  package func field(_ name: String) throws(FormatError) -> JSONNode {
    let members = try object()
    if let member = members.first(where: { $0.key == name }) { return child(name, member.value) }
    let keys = members.prefix(8).map { $0.key.quoted() }.joined(separator: ", ")
    let more = members.count > 8 ? " and \(members.count - 8) more" : ""
    throw malformed(
      expected: "the field \(name.quoted())",
      found: members.isEmpty ? "no fields" : "only \(keys)\(more)", remedy: "add the field")
  }

  /// The field called `name`, or nil where it is missing or null.
  ///
  /// - Throws: ``FormatError`` where this is no object.
  package func optional(_ name: String) throws(FormatError) -> JSONNode? {
    guard let member = try object().first(where: { $0.key == name }) else { return nil }
    return member.value == .null ? nil : child(name, member.value)
  }

  /// The fields that are not in `names`, in the file's order.
  ///
  /// - Throws: ``FormatError`` where this is no object.
  package func unknownFields(besides names: [String]) throws(FormatError) -> [String] {
    try object().map(\.key).filter { !names.contains($0) }
  }

  /// Refuses fields that are not in `names`, which are most often misspelt ones.
  ///
  /// - Throws: ``FormatError`` at the first unknown field, or where this is no object.
  package func refuseFields(besides names: [String]) throws(FormatError) {
    guard let name = try unknownFields(besides: names).first else { return }
    let known = names.map { $0.quoted() }.joined(separator: ", ")
    throw try field(name).malformed(
      expected: "one of the fields \(known)", found: name.quoted(),
      remedy: "remove the field or correct its name")
  }

  /// The elements of an array.
  ///
  /// - Throws: ``FormatError`` where this is no array.
  package func array() throws(FormatError) -> [JSONNode] {
    guard case .array(let elements) = value else { throw malformed(expected: "an array") }
    return elements.enumerated().map { JSONNode($1, file: file, path: "\(path)[\($0)]") }
  }

  /// The text of a string.
  ///
  /// - Throws: ``FormatError`` where this is no string.
  package func string() throws(FormatError) -> String {
    guard case .string(let text) = value else { throw malformed(expected: "a string") }
    return text
  }

  /// The case of `type` whose raw value this string is.
  ///
  /// - Throws: ``FormatError`` that lists the choices, where it is none of them.
  package func choice<Choice: RawRepresentable<String> & CaseIterable>(
    of type: Choice.Type
  ) throws(FormatError) -> Choice {
    if case .string(let text) = value, let choice = Choice(rawValue: text) { return choice }
    let names = Choice.allCases.map { $0.rawValue.quoted() }.joined(separator: ", ")
    throw malformed(expected: "one of \(names)")
  }

  /// The truth of `true` or `false`.
  ///
  /// - Throws: ``FormatError`` where this is neither.
  package func bool() throws(FormatError) -> Bool {
    guard case .bool(let flag) = value else { throw malformed(expected: "true or false") }
    return flag
  }

  private func object() throws(FormatError) -> [JSONMember] {
    guard case .object(let members) = value else { throw malformed(expected: "an object") }
    return members
  }
}

/// Reads the part of YAML that accelerate writes: mappings by indentation, plain and quoted scalars,
/// lists of scalars, comments. Names the line of whatever else it meets.
enum PlainYAML {
  private static let depthLimit = 16

  /// The value of a file's `bytes`.
  ///
  /// - Throws: ``FormatError`` at the line that is not of that part.
  static func value(of bytes: [UInt8], file: String) throws(FormatError) -> JSONValue {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .malformed(
        file: file, place: "byte 0", expected: "UTF-8", found: "other bytes",
        remedy: "check that this is the file you meant")
    }
    var reader = Reader(file: file)
    try reader.split(text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text)
    guard !reader.lines.isEmpty else {
      throw reader.wrong(0, "a mapping", "an empty file", "give the configuration")
    }
    let value = try reader.block(indent: 0, depth: 0)
    if let line = reader.lines.first {
      throw reader.wrong(line.number, "no deeper than the line before", "more indentation")
    }
    return value
  }

  private struct Line {
    let number, indent: Int
    let text: Substring
  }

  private struct Reader {
    let file: String
    var lines: ArraySlice<Line> = []

    func wrong(
      _ line: Int, _ expected: String, _ found: String,
      _ remedy: String = "write plain `key: value`, or the same as JSON"
    ) -> FormatError {
      .malformed(
        file: file, place: "line \(line)", expected: expected, found: found, remedy: remedy)
    }

    mutating func split(_ text: String) throws(FormatError) {
      var number = 0
      for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
        number += 1
        let indent = line.prefix { $0 == " " }.count
        let text = Self.trimmed(Self.withoutComment(line.dropFirst(indent)))
        if text.isEmpty || (text == "---" && lines.isEmpty) { continue }
        if text.contains("\t") { throw wrong(number, "spaces", "a tab") }
        lines.append(Line(number: number, indent: indent, text: text))
      }
    }

    private static func withoutComment(_ text: Substring) -> Substring {
      var quote: Character?
      var previous: Character = " "
      for index in text.indices {
        let character = text[index]
        if let open = quote {
          if character == open { quote = nil }
        } else if character == "\"" || character == "'" {
          quote = character
        } else if character == "#", previous == " " {
          return text[..<index]
        }
        previous = character
      }
      return text
    }

    private static func trimmed(_ text: Substring) -> Substring {
      var text = text
      while text.last == " " { text.removeLast() }
      return text.drop { $0 == " " }
    }

    /// The lines of one mapping or list, all at `indent`.
    mutating func block(indent: Int, depth: Int) throws(FormatError) -> JSONValue {
      guard let first = lines.first, depth <= depthLimit else {
        throw wrong(lines.first?.number ?? 0, "at most \(depthLimit) levels", "more")
      }
      if first.text == "-" || first.text.hasPrefix("- ") { return try list(indent: indent) }
      var members: [JSONMember] = []
      while let line = lines.first, line.indent == indent {
        lines.removeFirst()
        guard let colon = colon(in: line.text) else {
          throw wrong(line.number, "`key: value`", String(line.text).quoted())
        }
        let name = Self.trimmed(line.text[..<colon])
        let key = try quotation(name, line.number) ?? String(name)
        let rest = Self.trimmed(line.text[line.text.index(after: colon)...])
        if members.contains(where: { $0.key == key }) {
          throw wrong(line.number, "each key once", key.quoted(), "drop one of them")
        }
        let value = try rest.isEmpty ? nested(indent, depth) : scalar(rest, line.number)
        members.append(JSONMember(key: key, value: value))
      }
      return .object(members)
    }

    private func colon(in text: Substring) -> Substring.Index? {
      text.indices.first { index in
        guard text[index] == ":" else { return false }
        let next = text.index(after: index)
        return next == text.endIndex || text[next] == " "
      }
    }

    /// What follows a key without a value: a deeper block, a list at the key's own depth, or nothing.
    private mutating func nested(_ indent: Int, _ depth: Int) throws(FormatError) -> JSONValue {
      guard let next = lines.first else { return .null }
      let isList = next.text == "-" || next.text.hasPrefix("- ")
      if next.indent > indent || (isList && next.indent == indent) {
        return try block(indent: next.indent, depth: depth + 1)
      }
      return .null
    }

    private mutating func list(indent: Int) throws(FormatError) -> JSONValue {
      var elements: [JSONValue] = []
      while let line = lines.first, line.indent == indent, line.text.hasPrefix("-") {
        lines.removeFirst()
        let text = Self.trimmed(line.text.dropFirst())
        guard !text.isEmpty, colon(in: text) == nil else {
          throw wrong(line.number, "a plain value after `-`", String(line.text).quoted())
        }
        elements.append(try scalar(text, line.number))
      }
      return .array(elements)
    }

    /// What stands in quotation marks; nil of what has none.
    private func quotation(_ text: Substring, _ line: Int) throws(FormatError) -> String? {
      guard let quote = text.first, quote == "\"" || quote == "'" else { return nil }
      let inside = text.dropFirst().dropLast()
      guard text.count > 1, text.last == quote, !inside.contains(quote), !inside.contains("\\")
      else { throw wrong(line, "a simple quotation", String(text).quoted()) }
      return String(inside)
    }

    private func scalar(_ text: Substring, _ line: Int) throws(FormatError) -> JSONValue {
      if text == "[]" { return .array([]) }
      if text == "{}" { return .object([]) }
      if let inside = try quotation(text, line) {
        return .string(inside)
      }
      if let first = text.first, "[{&*!|>%@`".contains(first) {
        throw wrong(line, "a plain value", String(text).quoted())
      }
      return Self.plain(String(text))
    }

    private static func plain(_ text: String) -> JSONValue {
      switch text {
      case "null", "~", "Null", "NULL": return .null
      case "true", "True", "TRUE", "yes", "on": return .bool(true)
      case "false", "False", "FALSE", "no", "off": return .bool(false)
      default: break
      }
      if let integer = Int(text) { return .integer(integer) }
      let isNumeric = text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) }
      if isNumeric, let number = Double(text), number.isFinite { return .number(number) }
      return .string(text)
    }
  }
}

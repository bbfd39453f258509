extension JSONValue {
  /// The one text of this value: equal values give equal bytes in every process.
  ///
  /// Keys are sorted by their UTF-8 bytes, each member and element stands on its own line indented
  /// by two spaces, except that an array without arrays and objects stays on one line. An integer
  /// is its digits; a number is the shortest decimal that reads back as the same Double and keeps
  /// its point or exponent (`3.0`, `1e+16`), so that a reader gets the same case again. Text is
  /// UTF-8; only quotation mark, backslash and control characters are escaped. A newline ends it.
  package var canonicalText: String {
    var writer = JSONWriter(indented: true)
    writer.write(self, depth: 0)
    return writer.text + "\n"
  }

  /// As ``canonicalText`` on a single line, without spaces and without a newline at the end.
  package var compactText: String {
    var writer = JSONWriter(indented: false)
    writer.write(self, depth: 0)
    return writer.text
  }
}

private struct JSONWriter {
  let indented: Bool
  var text = ""

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .object(let members): writeObject(members, depth: depth)
    case .array(let elements): writeArray(elements, depth: depth)
    case .string(let string): writeString(string)
    case .integer(let integer): text += String(integer)
    case .number(let number): writeNumber(number)
    case .bool(let flag): text += flag ? "true" : "false"
    case .null: text += "null"
    }
  }

  private mutating func writeObject(_ members: [JSONMember], depth: Int) {
    let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    text += "{"
    for (index, member) in sorted.enumerated() {
      precondition(index == 0 || sorted[index - 1].key != member.key, "duplicate \(member.key)")
      text += index == 0 ? "" : ","
      breakLine(depth: depth + 1)
      writeString(member.key)
      text += indented ? ": " : ":"
      write(member.value, depth: depth + 1)
    }
    if !sorted.isEmpty { breakLine(depth: depth) }
    text += "}"
  }

  private mutating func writeArray(_ elements: [JSONValue], depth: Int) {
    let onOneLine = elements.allSatisfy(\.isScalar)
    text += "["
    for (index, element) in elements.enumerated() {
      text += index == 0 ? "" : onOneLine && indented ? ", " : ","
      if !onOneLine { breakLine(depth: depth + 1) }
      write(element, depth: depth + 1)
    }
    if !onOneLine { breakLine(depth: depth) }
    text += "]"
  }

  private mutating func writeNumber(_ number: Double) {
    precondition(number.isFinite, "JSON has no \(number)")
    text += number.description
  }

  private mutating func writeString(_ string: String) {
    text += "\""
    if string.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) {
      text += string
    } else {
      for scalar in string.unicodeScalars { text += scalar.escaped }
    }
    text += "\""
  }

  private mutating func breakLine(depth: Int) {
    if indented { text += "\n" + String(repeating: "  ", count: depth) }
  }
}

extension JSONValue {
  fileprivate var isScalar: Bool {
    switch self {
    case .object, .array: false
    case .string, .integer, .number, .bool, .null: true
    }
  }
}

extension Unicode.Scalar {
  /// The scalar as it stands in a JSON string: quotation mark, backslash and control characters
  /// escaped, all else itself.
  var escaped: String {
    switch value {
    case 0x22: "\\\""
    case 0x5C: "\\\\"
    case 0x0A: "\\n"
    case 0x0D: "\\r"
    case 0x09: "\\t"
    case 0..<0x20, 0x7F..<0xA0:
      "\\u00" + (value < 0x10 ? "0" : "") + String(value, radix: 16, uppercase: true)
    default: String(self)
    }
  }
}

extension JSONNode {
  /// A name that is only shown: any text that fits on a line.
  func label() throws(FormatError) -> String {
    let text = try string()
    let isPlain = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    if !text.isEmpty, text.utf8.count <= 200, isPlain { return text }
    throw malformed(expected: "1 to 200 bytes of text without control characters")
  }
}

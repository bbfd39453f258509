extension JSONReader {
  /// An error at the position.
  func failure(expected: String, found: String? = nil, remedy: String? = nil) -> FormatError {
    .malformed(
      file: file, place: place, expected: expected, found: found ?? foundHere,
      remedy: remedy ?? "correct the JSON there")
  }

  /// The position in the words of an editor: line and column, both from 1, the column in bytes.
  private var place: String {
    let before = bytes[..<position]
    let line = before.count { $0 == 0x0A } + 1
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return "line \(line), column \(position - lineStart + 1) (byte \(start + position))"
  }

  private var foundHere: String {
    if bytes.isEmpty { return "an empty file" }
    guard position < bytes.count else { return "the end of the file" }
    let text = String(decoding: bytes[position...].prefix(32), as: UTF8.self)
    let scalar = text.unicodeScalars.first.map { String($0).quoted() } ?? "nothing"
    for word in ["NaN", "Infinity", "-Infinity", "None", "True", "False"]
    where text.hasPrefix(word) {
      return word
    }
    return scalar
  }
}

/// The index of the first byte that is not part of well-formed UTF-8, or nil.
func firstInvalidUTF8(in bytes: [UInt8]) -> Int? {
  bytes.withUnsafeBufferPointer { buffer -> Int? in
    var index = 0
    while index < buffer.count {
      if buffer[index] < 0x80 {
        index += 1
        continue
      }
      guard let length = sequenceLength(buffer, at: index) else { return index }
      index += length
    }
    return nil
  }
}

/// The length of the well-formed sequence of two to four bytes at `index` (Unicode, table 3-7).
private func sequenceLength(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int? {
  let lead = bytes[index]
  let (length, second): (Int, ClosedRange<UInt8>)
  switch lead {
  case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
  case 0xE0: (length, second) = (3, 0xA0...0xBF)
  case 0xED: (length, second) = (3, 0x80...0x9F)
  case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
  case 0xF0: (length, second) = (4, 0x90...0xBF)
  case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
  case 0xF4: (length, second) = (4, 0x80...0x8F)
  default: return nil
  }
  guard bytes.count - index >= length, second.contains(bytes[index + 1]) else { return nil }
  let rest = bytes[(index + 2)..<(index + length)]
  return rest.allSatisfy { $0 & 0xC0 == 0x80 } ? length : nil
}

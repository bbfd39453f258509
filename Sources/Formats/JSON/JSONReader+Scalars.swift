extension JSONReader {
  /// The number at the position: an exact integer where it has neither point nor exponent and
  /// fits, except for -0, which only a Double can tell from 0.
  mutating func number() throws(FormatError) -> JSONValue {
    let start = position
    let isWhole = try passNumber()
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, text != "-0", let integer = Int(text) { return .integer(integer) }
    if let number = Double(text), number.isFinite { return .number(number) }
    position = start
    throw failure(
      expected: "a number within ±1.8e308", found: text.quoted(), remedy: "write a smaller one")
  }

  /// Passes a number and says whether it has neither point nor exponent.
  private mutating func passNumber() throws(FormatError) -> Bool {
    pass("-")
    let leadingZero = next == UInt8(ascii: "0")
    let start = position
    try passDigits()
    if leadingZero, position > start + 1 {
      position = start
      throw failure(expected: "a number without leading zeros")
    }
    let hasPoint = pass(".")
    if hasPoint { try passDigits() }
    guard pass("e") || pass("E") else { return !hasPoint }
    if !pass("+") { pass("-") }
    try passDigits()
    return false
  }

  @discardableResult
  private mutating func pass(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func passDigits() throws(FormatError) {
    let start = position
    while let byte = next, byte >= 0x30, byte <= 0x39 { position += 1 }
    if position == start { throw failure(expected: "a digit") }
  }

  /// The string at the position, which is at its opening quotation mark.
  mutating func string() throws(FormatError) -> String {
    position += 1
    var text: [UInt8] = []
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += String(try escape()).utf8
      case 0..<0x20: throw failure(expected: "an escaped control character")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw failure(expected: "a closing quotation mark")
  }

  private mutating func escape() throws(FormatError) -> Unicode.Scalar {
    position += 1
    let byte = next
    guard byte != UInt8(ascii: "u") else { return try unicodeEscape() }
    let scalar: Unicode.Scalar? =
      switch byte {
      case UInt8(ascii: "\""): "\""
      case UInt8(ascii: "\\"): "\\"
      case UInt8(ascii: "/"): "/"
      case UInt8(ascii: "b"): "\u{8}"
      case UInt8(ascii: "f"): "\u{C}"
      case UInt8(ascii: "n"): "\n"
      case UInt8(ascii: "r"): "\r"
      case UInt8(ascii: "t"): "\t"
      default: nil
      }
    guard let scalar else { throw failure(expected: "one of \"\\/bfnrtu after \\") }
    position += 1
    return scalar
  }

  /// A `\uXXXX`, or two of them that make one character beyond the basic plane.
  private mutating func unicodeEscape() throws(FormatError) -> Unicode.Scalar {
    let start = position - 1
    let unit = try hexadecimalUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    if unit < 0xDC00, pass("\\"), next == UInt8(ascii: "u") {
      let low = try hexadecimalUnit()
      let code = 0x10000 + (unit - 0xD800) << 10 + (low & 0x3FF)
      if (0xDC00..<0xE000).contains(low), let scalar = Unicode.Scalar(code) { return scalar }
    }
    position = start
    throw failure(
      expected: "a surrogate pair", found: "half of one", remedy: "write the character itself")
  }

  private mutating func hexadecimalUnit() throws(FormatError) -> UInt32 {
    position += 1
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure(expected: "four hexadecimal digits")
      }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }
}

/// Reads strict JSON (RFC 8259): UTF-8, at most ``depthLimit`` levels, no duplicate keys, no
/// trailing text, no NaN, infinity or number beyond Double's range.
///
/// It recurses at most ``depthLimit`` deep and builds only what the text spells out.
struct JSONReader {
  /// The most arrays and objects that may be open at once.
  static let depthLimit = 64

  let file: String
  let bytes: [UInt8]
  /// Where in the file `bytes` begin.
  let start: Int
  var position = 0
  private var depth = 0

  private init(bytes: [UInt8], file: String, start: Int) {
    self.bytes = bytes
    self.file = file
    self.start = start
  }

  /// The value that `bytes` hold, which begin at byte `start` of `file`.
  ///
  /// - Throws: ``FormatError/malformed(file:place:expected:found:remedy:)`` with the first error's
  ///   line, column and byte.
  static func value(
    of bytes: [UInt8], file: String, start: Int
  ) throws(FormatError) -> JSONValue {
    var reader = JSONReader(bytes: bytes, file: file, start: start)
    try reader.checkEncoding()
    let value = try reader.value()
    reader.skipSpace()
    if reader.position < bytes.count { throw reader.failure(expected: "the end of the file") }
    return value
  }

  /// The byte at the position, or nil at the end.
  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func checkEncoding() throws(FormatError) {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      throw failure(expected: "JSON", found: "a byte order mark", remedy: "save it without one")
    }
    guard let bad = firstInvalidUTF8(in: bytes) else { return }
    position = bad
    throw failure(
      expected: "UTF-8 text", found: "byte 0x" + String(bytes[bad], radix: 16),
      remedy: "check that this is a JSON file in UTF-8")
  }

  private mutating func value() throws(FormatError) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try nested { reader throws(FormatError) in try reader.object() }
    case UInt8(ascii: "["): return try nested { reader throws(FormatError) in try reader.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw failure(expected: "a JSON value")
    }
  }

  private mutating func nested(
    _ body: (inout JSONReader) throws(FormatError) -> JSONValue
  ) throws(FormatError) -> JSONValue {
    if depth == Self.depthLimit {
      throw failure(
        expected: "at most \(Self.depthLimit) levels of nesting", found: "another",
        remedy: "flatten it")
    }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  private mutating func array() throws(FormatError) -> JSONValue {
    var elements: [JSONValue] = []
    if try closes("]", after: "a value or ]", first: true) { return .array([]) }
    repeat {
      elements.append(try value())
    } while try !closes("]", after: "a comma or ]", first: false)
    return .array(elements)
  }

  private mutating func object() throws(FormatError) -> JSONValue {
    var members: [JSONMember] = []
    var keys = Set<String>()
    if try closes("}", after: "a key or }", first: true) { return .object([]) }
    repeat {
      let key = try self.key(unlike: &keys)
      members.append(JSONMember(key: key, value: try value()))
    } while try !closes("}", after: "a comma or }", first: false)
    return .object(members)
  }

  private mutating func key(unlike keys: inout Set<String>) throws(FormatError) -> String {
    skipSpace()
    let keyPosition = position
    guard next == UInt8(ascii: "\"") else { throw failure(expected: "a key in quotation marks") }
    let key = try string()
    if !keys.insert(key).inserted {
      position = keyPosition
      throw failure(
        expected: "each key once", found: "\(key.quoted()) again", remedy: "remove one of the two")
    }
    skipSpace()
    guard next == UInt8(ascii: ":") else { throw failure(expected: "a colon after the key") }
    position += 1
    return key
  }

  /// Whether `end` follows; if not, passes the comma that must.
  private mutating func closes(
    _ end: Unicode.Scalar, after expected: String, first: Bool
  ) throws(FormatError) -> Bool {
    skipSpace()
    if next == UInt8(ascii: end) {
      position += 1
      return true
    }
    if first, next != nil { return false }
    guard next == UInt8(ascii: ",") else { throw failure(expected: expected) }
    position += 1
    return false
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(FormatError) -> JSONValue {
    guard bytes[position...].starts(with: word.utf8) else { throw failure(expected: word) }
    position += word.utf8.count
    return value
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }
}

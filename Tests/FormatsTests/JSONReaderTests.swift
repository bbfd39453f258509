import Formats
import Testing

@Suite("Strict JSON reader")
struct JSONReaderTests {
  private func read(_ text: String) throws(FormatError) -> JSONValue {
    try JSONDocument(text: text, file: "f.json").root.value
  }

  @Test("Values of every kind are read, members in their order")
  func values() throws {
    let text = #" {"b": [1, -2.5, 1e3, true, false, null, {}], "a": "x\n\u00e9😀"} "#
    #expect(
      try read(text) == [
        "b": [1, -2.5, 1000.0, true, false, nil, [:]], "a": "x\né😀",
      ])
  }

  @Test(
    "Whole numbers that fit are exact integers, all others Doubles",
    arguments: [
      ("9223372036854775807", JSONValue.integer(.max)),
      ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)),
      ("9007199254740993", .integer(9_007_199_254_740_993)),
      ("3.0", .number(3)), ("0", .integer(0)), ("1E-2", .number(0.01)),
      ("0.1", .number(0.1)), ("4.9e-324", .number(.leastNonzeroMagnitude)),
    ])
  func numbers(text: String, value: JSONValue) throws {
    #expect(try read(text) == value)
  }

  @Test("Minus zero keeps its sign")
  func minusZero() throws {
    guard case .number(let zero) = try read("-0") else {
      Issue.record("-0 is no number")
      return
    }
    #expect(zero.sign == .minus)
  }

  @Test("A surrogate pair is one character")
  func surrogates() throws {
    #expect(try read(#""\ud83d\ude00\uD7FF\uE000""#) == "😀\u{D7FF}\u{E000}")
  }

  @Test(
    "What is not strict JSON is refused with its place",
    arguments: [
      ("", "line 1, column 1 (byte 0): expected a JSON value, found an empty file"),
      ("[1,\n 2,]", "line 2, column 4 (byte 7): expected a JSON value, found \"]\""),
      ("[1 2]", "byte 3): expected a comma or ], found \"2\""),
      ("{\"a\" 1}", "expected a colon after the key, found \"1\""),
      ("{a: 1}", "expected a key in quotation marks, found \"a\""),
      ("{\"a\":1,}", "expected a key in quotation marks, found \"}\""),
      ("{,}", "expected a key in quotation marks, found \",\""),
      ("{\"a\":1", "expected a comma or }, found the end of the file"),
      ("[", "expected a value or ], found the end of the file"),
      ("NaN", "expected a JSON value, found NaN"),
      ("-Infinity", "expected a digit, found Infinity"),
      ("nul", "expected null, found \"n\""),
      ("01", "expected a number without leading zeros"),
      ("-01", "expected a number without leading zeros"),
      ("+1", "expected a JSON value, found \"+\""), (".5", "expected a JSON value"),
      ("1.", "expected a digit, found the end of the file"), ("1e", "expected a digit"),
      ("1e999", "expected a number within ±1.8e308, found \"1e999\""),
      ("1 1", "expected the end of the file, found \"1\""), ("1\0", "found \"\\u0000\""),
      ("\"a", "expected a closing quotation mark, found the end of the file"),
      ("\"a\nb\"", "expected an escaped control character, found \"\\n\""),
      ("\"\\x\"", "expected one of \"\\/bfnrtu after \\, found \"x\""),
      ("\"\\u12g4\"", "expected four hexadecimal digits, found \"g\""),
      ("\"\\ud800\"", "expected a surrogate pair, found half of one"),
      ("\"\\udc00\\ud800\"", "expected a surrogate pair, found half of one"),
      ("\"\\ud800\\u0041\"", "expected a surrogate pair"),
      ("{\"a\":1,\"a\":2}", "column 8 (byte 7): expected each key once, found \"a\" again"),
      ("{\"é\":1,\"e\u{301}\":2}", "expected each key once"),
      ("// x\n1", "expected a JSON value, found \"/\""),
      ("\u{FEFF}1", "expected JSON, found a byte order mark"),
    ])
  func refusals(text: String, message: String) {
    let error = #expect(throws: FormatError.self) { try read(text) }
    let description = error?.description ?? ""
    #expect(description.hasPrefix("f.json: at line ") && description.contains(message))
    #expect(error?.exitCode == 65)
  }

  @Test(
    "Bytes that are not UTF-8 are refused",
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
      [0x22, 0xE2, 0x82], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xE2, 0x22, 0x22, 0x22],
    ] as [[UInt8]])
  func encoding(bytes: [UInt8]) {
    let error = #expect(throws: FormatError.self) { try JSONDocument(bytes: bytes, file: "f") }
    #expect(error?.description.contains("(byte 1): expected UTF-8 text, found byte 0x") == true)
  }

  @Test("Sixty-four levels are read, one more is refused, and so are a million")
  func depth() throws {
    func nested(_ levels: Int, _ open: String, _ close: String) -> String {
      String(repeating: open, count: levels) + "1" + String(repeating: close, count: levels)
    }
    _ = try read(nested(64, "[", "]"))
    _ = try read(nested(64, "{\"a\":", "}"))
    for levels in [65, 1_000_000] {
      let error = #expect(throws: FormatError.self) { try read(nested(levels, "[", "]")) }
      #expect(error?.description.contains("(byte 64): expected at most 64 levels") == true)
      #expect(throws: FormatError.self) { try read(nested(levels, "{\"a\":", "}")) }
    }
  }

  @Test("An endless file is refused at the limit")
  func endless() {
    let error = #expect(throws: FormatError.self) {
      try FileBytes.contents(of: "/dev/zero", limit: 1 << 20)
    }
    #expect(error?.description.contains("expected at most 1048576 bytes, found more") == true)
  }

  @Test("A missing file, a folder and a path through a file are told apart")
  func missing() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("{}", "a.json")
    let missing = #expect(throws: FormatError.self) {
      try JSONDocument(contentsOf: folder.path + "/none.json")
    }
    #expect(missing == .missing(file: folder.path + "/none.json"))
    #expect(missing?.exitCode == 66)
    let folderError = #expect(throws: FormatError.self) {
      try JSONDocument(contentsOf: folder.path)
    }
    #expect(folderError?.exitCode == 74)
    let through = #expect(throws: FormatError.self) { try JSONDocument(contentsOf: file + "/x") }
    #expect(through?.exitCode == 66)
  }
}

import Formats
import Testing

@Suite("Canonical JSON")
struct JSONValueTests {
  @Test("Keys are sorted, arrays of scalars stay on one line and a newline ends the text")
  func canonical() {
    let value: JSONValue = [
      "b": [["x": 1], []], "a": [1, 2.0, nil], "é": "q\"\\\u{1}\n", "Z": [:], "c": [[1], [2]],
    ]
    #expect(
      value.canonicalText == """
        {
          "Z": {},
          "a": [1, 2.0, null],
          "b": [
            {
              "x": 1
            },
            []
          ],
          "c": [
            [1],
            [2]
          ],
          "é": "q\\"\\\\\\u0001\\n"
        }

        """)
  }

  @Test("Compact text is one line, keys sorted")
  func compact() {
    #expect(JSONValue.object([]).compactText == "{}")
    let value: JSONValue = ["b": [1, [2, "x y"]], "a": true]
    #expect(value.compactText == #"{"a":true,"b":[1,[2,"x y"]]}"#)
  }

  @Test(
    "Numbers read back bit for bit and as the same case",
    arguments: [
      0.1, 3, -0.0, 1e16, 1e300, Double.leastNonzeroMagnitude, 1.7976931348623157e308,
      123_456_789.123, 1.0 / 3,
    ])
  func numbers(number: Double) throws {
    let text = JSONValue.number(number).canonicalText
    guard case .number(let back) = try JSONDocument(text: text, file: "f").root.value else {
      Issue.record("\(text) is no number")
      return
    }
    #expect(back.bitPattern == number.bitPattern, "\(text)")
  }

  @Test("Text of every control character and beyond the basic plane reads back")
  func strings() throws {
    let text = String(String.UnicodeScalarView((0...0x2FF).compactMap(Unicode.Scalar.init))) + "😀"
    let value = JSONValue.object([JSONMember(key: text, value: .string(text))])
    #expect(try JSONDocument(text: value.canonicalText, file: "f").root.value == value)
    #expect(try JSONDocument(text: value.compactText, file: "f").root.value == value)
  }
}

import Formats
import PlanIR
import Testing

@Suite struct ShellWordsTests {
  private static let lines: [(String, [String])] = [
    ("", []), ("  \n\t ", []), ("a b", ["a", "b"]), ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
    ("a\\\nb", ["ab"]), ("a \\\n  b", ["a", "b"]), ("a \\\r\n  b", ["a", "b"]),
    ("--x='1 2'3", ["--x=1 23"]), ("''", [""]), ("a\\ b", ["a b"]),
    ("a # the rest\nb#c", ["a", "b#c"]), ("\"a\\\"b\\$c\\d\"", ["a\"b$c\\d"]), ("a\\", ["a\\"]),
    ("a; b&&c | d", ["a", ";", "b", "&&", "c", "|", "d"]), ("a 2>&1 b >> log c", ["a", "b", "c"]),
    ("a &> 'a log' b & c", ["a", "b", "&", "c"]), ("--x <path> --y", ["--x", "<path>", "--y"]),
    ("a |& b > ; c", ["a", "|&", "b", ";", "c"]), ("'a;b' c\\;d", ["a;b", "c;d"]),
    ("'a\\b'", ["a\\b"]), ("ä 'ö ü'", ["ä", "ö ü"]),
  ]

  @Test(arguments: lines.indices)
  func `a line is split as a shell splits it`(_ index: Int) throws {
    let words = try ShellWords.split(Self.lines[index].0)
    #expect(words == Self.lines[index].1)
  }

  @Test(arguments: ["'a", "\"a", "a \"b\\\"", "\"a\\"])
  func `a quotation without an end is an error`(_ line: String) {
    #expect(throws: LaunchError.self) { try ShellWords.split(line) }
  }

  @Test func `a line beyond the limit is refused`() {
    let line = String(repeating: "a", count: ShellWords.limit + 1)
    #expect(throws: LaunchError.self) { try ShellWords.split(line) }
  }

  @Test func `quoting words in apostrophes gives them back`() throws {
    let generator = CounterGenerator(seed: 7, name: "shell words")
    let letters = Array("a b\\\"#$\n\t=-;&|>")
    for number in 0..<300 {
      let words = (0..<4).map { word in
        String(
          (0..<6).map { place in
            letters[
              generator.integer(below: letters.count, at: UInt64(number * 24 + word * 6 + place))]
          })
      }
      let line = words.map { "'\($0)'" }.joined(separator: " ")
      let split = try ShellWords.split(line)
      #expect(split == words)
    }
  }
}

import Formats
import Testing

@Suite struct CSVTextTests {
  @Test(arguments: [
    ("plain", "plain"), ("", ""), ("two words", "two words"), ("a,b", "\"a,b\""),
    ("say \"no\"", "\"say \"\"no\"\"\""), ("one\ntwo", "\"one\ntwo\""), ("one\r", "\"one\r\""),
    ("one\r\ntwo", "\"one\r\ntwo\""), ("é,ü", "\"é,ü\""), ("\"", "\"\"\"\""),
  ])
  func `a field is quoted where it must be`(_ value: String, _ written: String) {
    var table = CSVText(["first", "second"])
    table.append([value, "end"])
    #expect(table.text == "first,second\r\n\(written),end\r\n")
  }

  @Test func `a header alone is a table`() {
    #expect(CSVText(["a", "b,c"]).text == "a,\"b,c\"\r\n")
  }
}

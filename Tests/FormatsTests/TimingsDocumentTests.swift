import Formats
import PlanIR
import Testing

@Suite("Timings as text")
struct TimingsDocumentTests {
  private func entry(_ kernel: String, _ median: Double = 10.5) -> (key: TimingKey, timing: Timing)
  {
    (
      TimingKey(
        kernel: kernel, dtype: .float32, shape: [5, 7, 9], transposition: "NT",
        backend: "openblas", fingerprint: "epyc"),
      Timing(
        samples: 9, medianNanoseconds: median, spreadNanoseconds: 0.25, date: "2026-11-23",
        version: "0.1.0")
    )
  }

  private let right = """
    {"kernel":"k","dtype":"float32","shape":[5],"transposition":"","backend":"b","fingerprint":"f",\
    "samples":9,"median_ns":1.5,"spread_ns":0,"date":"2026-11-23","version":"0.1"}
    """

  private func read(_ entries: String) throws -> TimingsDocument {
    let text = "{\"schema\":\"tpplan.timings/1\",\"timings\":[\(entries)]}"
    return try TimingsDocument(JSONDocument(text: text, file: "t.json"))
  }

  @Test("Timings read back equal, and equal timings give equal bytes in any order")
  func roundTrip() throws {
    var entries = [entry("norm"), entry("matmul", 1e-3), entry("softmax", 3)]
    entries[2].timing.amount = KernelAmount(elements: 630, flops: 0)
    let text = TimingsDocument(entries).value.canonicalText
    let back = try TimingsDocument(JSONDocument(text: text, file: "t.json"))
    #expect(back.timings.map(\.key.kernel) == ["matmul", "norm", "softmax"])
    #expect(back.timings.map(\.timing.medianNanoseconds) == [1e-3, 10.5, 3])
    #expect(back.timings[1] == entry("norm"))
    #expect(back.timings[2] == entries[2])
    #expect(TimingsDocument(entries.reversed()).value.canonicalText == text)
    #expect(back.value.canonicalText == text)
  }

  @Test(
    "Wrong entries are refused at their place",
    arguments: [
      ("\"median_ns\":1.5", "\"median_ns\":-1", "$.timings[0].median_ns: expected a number from 0"),
      ("\"median_ns\":1.5", "\"median_ns\":\"x\"", "$.timings[0].median_ns: expected a number"),
      ("\"median_ns\":1.5", "\"median_ns\":1e999", "expected a number within"),
      ("\"spread_ns\":0", "\"spread_ns\":NaN", "expected a JSON value, found NaN"),
      (
        "\"median_ns\":1.5", "\"median_ns\":2e18",
        "$.timings[0].median_ns: expected a number from 0.0 to 1e+18"
      ),
      (
        "\"spread_ns\":0", "\"spread_ns\":1e308",
        "$.timings[0].spread_ns: expected a number from 0.0 to 1e+18"
      ),
      (
        "\"samples\":9", "\"samples\":9223372036854775807",
        "$.timings[0].samples: expected an integer from 1 to 1099511627776"
      ),
      ("\"samples\":9", "\"samples\":0", "$.timings[0].samples: expected an integer from 1"),
      ("\"dtype\":\"float32\"", "\"dtype\":\"fp8\"", "$.timings[0].dtype: expected one of"),
      ("[5]", "[-5]", "$.timings[0].shape[0]: expected an integer of at least 0"),
      ("2026-11-23", "23.11.2026", "$.timings[0].date: expected a day such as \"2026-11-23\""),
      ("2026-11-23", "2026-13-01", "$.timings[0].date: expected a day"),
      ("2026-11-23", "2026-02-29", "$.timings[0].date: expected a day"),
      ("\"median_ns\":1.5", "\"median_ns\":0", "$.timings[0].median_ns: expected more than 0"),
      ("\"kernel\":\"k\"", "\"kernel\":\"\"", "$.timings[0].kernel: expected the name of a kernel"),
      (
        "\"samples\"", "\"elements\":-1,\"flops\":0,\"samples\"",
        "$.timings[0].elements: expected an integer of at least 0"
      ),
      (
        "\"samples\"", "\"elements\":1,\"samples\"",
        "$.timings[0]: expected the field \"flops\""
      ),
      ("\"version\"", "\"vers\"", "$.timings[0].vers: expected one of the fields"),
      (",\"version\":\"0.1\"", "", "$.timings[0]: expected the field \"version\""),
    ])
  func wrong(old: String, new: String, message: String) {
    let text = right.replacing(old, with: new)
    #expect(text != right)
    let error = #expect(throws: FormatError.self) { try read(text) }
    #expect(error?.description.contains(message) == true)
  }

  @Test("A key twice and another schema are refused")
  func whole() throws {
    #expect(try read(right).timings.count == 1)
    let twice = #expect(throws: FormatError.self) { try read(right + "," + right) }
    #expect(twice?.description.contains("$.timings[1]: expected a key that did not") == true)
    let other = #expect(throws: FormatError.self) {
      try TimingsDocument(JSONDocument(text: #"{"schema":"tpplan.plan/1"}"#, file: "t.json"))
    }
    #expect(other?.description.contains("expected the schema \"tpplan.timings/1\"") == true)
  }
}

import Formats
import Testing

@Suite("Malformed safetensors")
struct SafetensorsRefusalTests {
  private func message(_ bytes: [UInt8]) throws -> String {
    let folder = try TemporaryFolder()
    let path = try folder.write(bytes, "x.safetensors")
    let error = try #require(#expect(throws: FormatError.self) { try SafetensorsFile(path) })
    #expect(error.exitCode == 65)
    return String(error.description.dropFirst(path.count + ": at ".count))
  }

  @Test("Too short for a length", arguments: [0, 1, 7])
  func short(count: Int) throws {
    let bytes = [UInt8](repeating: 0, count: count)
    #expect(
      try message(bytes)
        == "byte 0: expected the header's length in 8 bytes, found \(count) bytes; "
        + "fetch or write the file again")
  }

  @Test(
    "A length beyond the file is refused, however large",
    arguments: [3, 1 << 20, 100_000_001, 1 << 62, .max] as [UInt64])
  func length(length: UInt64) throws {
    let found = try message(safetensorsBytes("{}", length: length))
    #expect(found.hasPrefix("byte 0: expected a header of at most 2 bytes, found a length of"))
  }

  @Test("An empty header and one without brace are refused", arguments: ["", " {}", "[]"])
  func brace(header: String) throws {
    #expect(
      try message(safetensorsBytes(header)).hasPrefix("byte 8: expected the header's opening"))
  }

  @Test("Errors of JSON count their bytes from the file's start")
  func json() throws {
    #expect(try message(safetensorsBytes("{\"a\"}")).hasPrefix("line 1, column 5 (byte 12): "))
    let deep = String(repeating: "{\"a\":", count: 100_000)
    #expect(try message(safetensorsBytes(deep)).contains("expected at most 64 levels"))
    let twice = #"{"a":{},"a":{}}"#
    #expect(try message(safetensorsBytes(twice)).contains("expected each key once"))
  }

  @Test(
    "A wrong description is refused at its place",
    arguments: [
      (#"3"#, "$.t: expected an object, found 3"),
      (#"{}"#, "$.t: expected the field \"dtype\", found no fields"),
      (#"{"dtype":"Q7","shape":[2],"data_offsets":[0,8]}"#, "$.t.dtype: expected one of \"BOOL\","),
      (#"{"dtype":5,"shape":[2],"data_offsets":[0,8]}"#, "$.t.dtype: expected one of"),
      (#"{"dtype":"F32","shape":2,"data_offsets":[0,8]}"#, "$.t.shape: expected an array, found 2"),
      (
        #"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#,
        "$.t.shape[0]: expected an integer of at least 0, found -2"
      ),
      (
        #"{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}"#,
        "$.t.shape[0]: expected an integer of at least 0, found 1.5"
      ),
      (
        #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
        "$.t.shape: expected a shape whose bytes can be counted"
      ),
      (
        #"{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,8]}"#,
        "$.t.shape: expected a shape whose bytes can be counted"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0]}"#,
        "$.t.data_offsets: expected [begin, end], found an array of 1"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[-1,7]}"#,
        "$.t.data_offsets[0]: expected an integer from 0 to 7, found -1"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
        "$.t.data_offsets[0]: expected an integer from 0 to 0, found 8"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0,9]}"#,
        "$.t.data_offsets[1]: expected an integer from 0 to 8, found 9"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775808]}"#,
        "$.t.data_offsets[1]: expected an integer from 0 to 8, found 9.223372036854776e+18"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0,7]}"#,
        "$.t.data_offsets: expected the 8 bytes of 2 elements of F32, found 7 bytes"
      ),
      (
        #"{"dtype":"F4","shape":[3],"data_offsets":[0,1]}"#,
        "$.t.data_offsets: expected the 1 bytes of 3 elements of F4, found 1 bytes"
      ),
      (
        #"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#,
        "tensor \"t\": expected its bytes to begin where the last tensor ends, at 0, found 4, a gap"
      ),
      (
        #"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
        "expected the end of the file after the last tensor, found 4 bytes more"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"a":1}"#,
        "$.__metadata__.a: expected a string, found 1"
      ),
      (
        #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"u":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#,
        "tensor \"u\": expected its bytes to begin where the last tensor ends, at 8, found 4, an overlap"
      ),
    ])
  func description(entry: String, expected: String) throws {
    let data = [UInt8](repeating: 0, count: 8)
    let found = try message(safetensorsBytes("{\"t\":\(entry)}", data: data))
    #expect(found.contains(expected))
  }

  @Test("A missing file, a folder and a pipe are told without waiting")
  func files() throws {
    let folder = try TemporaryFolder()
    let missing = #expect(throws: FormatError.self) { try SafetensorsFile(folder.path + "/no") }
    #expect(missing?.exitCode == 66)
    for path in [folder.path, "/dev/zero"] {
      let error = #expect(throws: FormatError.self) { try SafetensorsFile(path) }
      #expect(error?.exitCode == 74)
    }
  }
}

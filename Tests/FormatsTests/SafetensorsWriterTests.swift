import Formats
import PlanIR
import Testing

@Suite("Safetensors writer refuses")
struct SafetensorsWriterTests {
  private let first = TensorDescription(name: "a", shape: [2], dtype: .float32)
  private let second = TensorDescription(name: "b", shape: [], dtype: .float32)

  /// Runs `body` on a writer of both tensors; it must fail with `reason` and leave nothing.
  private func expectRefusal(_ reason: String, _ body: (SafetensorsWriter) throws -> Void) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/w.safetensors"
    let error = #expect(throws: FormatError.self) {
      try body(try SafetensorsWriter(path, tensors: [first, second]))
    }
    #expect(error == .unwritable(file: path, reason: reason))
    #expect(folder.contents() == [])
  }

  @Test("a tensor out of order")
  func order() throws {
    try expectRefusal("tensor \"b\" does not come next") { try $0.begin(second) }
  }

  @Test("a next tensor before the last is full")
  func lacking() throws {
    try expectRefusal("tensor \"a\" lacks 1 elements") {
      try $0.begin(first)
      try $0.write([1.0])
      try $0.begin(second)
    }
  }

  @Test("more elements than the tensor has")
  func tooMany() throws {
    try expectRefusal("3 elements where 2 are lacking") {
      try $0.begin(first)
      try $0.write([1.0, 2, 3])
    }
  }

  @Test("to finish before the last tensor")
  func unfinished() throws {
    try expectRefusal("tensor \"b\" was not written") {
      try $0.begin(first)
      try $0.write([1.0, 2])
      try $0.finish()
    }
  }

  @Test("and leaves nothing without finish")
  func dropped() throws {
    let folder = try TemporaryFolder()
    do {
      let writer = try SafetensorsWriter(folder.path + "/w.safetensors", tensors: [first])
      try writer.begin(first)
      #expect(folder.contents().count == 1)
    }
    #expect(folder.contents() == [])
  }

  @Test("a full disk, a missing folder")
  func disk() throws {
    let full = #expect(throws: FormatError.self) {
      try SafetensorsWriter("/dev/full", tensors: [first])
    }
    #expect(full?.description.contains("no space left on device") == true)
    let folder = try TemporaryFolder()
    let missing = #expect(throws: FormatError.self) {
      try SafetensorsWriter(folder.path + "/none/w", tensors: [first])
    }
    #expect(missing?.exitCode == 74)
  }

  @Test("to be finished twice")
  func twice() throws {
    let folder = try TemporaryFolder()
    let writer = try SafetensorsWriter(folder.path + "/w.safetensors", tensors: [])
    try writer.finish()
    #expect(throws: FormatError.self) { try writer.finish() }
    #expect(try SafetensorsFile(folder.path + "/w.safetensors").tensors == [])
  }
}

import Formats
import PlanIR
import Testing

@Suite("Weights in a folder")
struct SafetensorsFolderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Writes a file that holds one float32 for each of `values`.
  private func shard(_ name: String, _ values: [(String, Double)]) throws {
    let tensors = values.map { TensorDescription(name: $0.0, shape: [1], dtype: .float32) }
    let writer = try SafetensorsWriter("\(folder.path)/\(name)", tensors: tensors)
    for (tensor, value) in zip(tensors, values) {
      try writer.begin(tensor)
      try writer.write([value.1])
    }
    try writer.finish()
  }

  private func index(_ map: String) throws -> String {
    try folder.write("{\"weight_map\": \(map)}", "model.safetensors.index.json")
  }

  @Test("Tensors of several files are read through the index, by folder or by its name")
  func sharded() throws {
    try shard("one.safetensors", [("b", 2), ("left", 9)])
    try shard("two.safetensors", [("a", 1), ("c", 3)])
    let path = try index(
      #"{"c": "two.safetensors", "b": "one.safetensors", "a": "two.safetensors"}"#)
    for name in [folder.path, folder.path + "/", path] {
      let weights = try SafetensorsFolder(name)
      #expect(weights.tensors.map(\.name) == ["a", "b", "c"])
      #expect(try ["a", "b", "c"].flatMap { try weights.values($0) } == [1, 2, 3])
      #expect(weights.description(of: "b")?.shape == [1])
      #expect(weights.description(of: "left") == nil)
      #expect(throws: FormatError.self) { try weights.values("left", 0..<1) }
    }
  }

  @Test("One file is read by its name and by the folder's, before an index")
  func single() throws {
    try shard("model.safetensors", [("a", 5)])
    _ = try index("{}")
    for name in [folder.path, folder.path + "/model.safetensors"] {
      #expect(try SafetensorsFolder(name).values("a") == [5])
    }
  }

  @Test("A folder without weights is missing them")
  func empty() {
    let error = #expect(throws: FormatError.self) { try SafetensorsFolder(folder.path) }
    #expect(error == .missing(file: folder.path + "/model.safetensors"))
  }

  @Test(
    "A wrong index is refused at its place",
    arguments: [
      (#"{"a": "three.safetensors"}"#, "found \"three.safetensors\", which is missing"),
      (#"{"a": "../one.safetensors"}"#, "expected the name of a .safetensors file"),
      (#"{"a": "/etc/passwd"}"#, "expected the name of a .safetensors file"),
      (#"{"a": "one.safetensors"}"#, "expected a file that holds \"a\", found \"one.safetensors\""),
      (#"{"a": 1}"#, "$.weight_map.a: expected a string, found 1"),
      (#"[]"#, "$.weight_map: expected an object, found an array of 0"),
    ])
  func wrongIndex(map: String, message: String) throws {
    try shard("one.safetensors", [("b", 2)])
    _ = try index(map)
    let error = #expect(throws: FormatError.self) { try SafetensorsFolder(folder.path) }
    #expect(error?.exitCode == 65)
    #expect(error?.description.contains(message) == true)
  }
}

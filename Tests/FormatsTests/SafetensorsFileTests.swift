import Formats
import PlanIR
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
  /// Writes `tensors` with their elements and returns the file's path.
  private func write(
    _ tensors: [(TensorDescription, [Double])], in folder: TemporaryFolder
  ) throws -> String {
    let path = folder.path + "/w.safetensors"
    let writer = try SafetensorsWriter(path, tensors: tensors.map(\.0), metadata: ["format": "pt"])
    for (tensor, elements) in tensors {
      try writer.begin(tensor)
      try writer.write(elements)
    }
    try writer.finish()
    return path
  }

  @Test("A file of another's making is read: F32, BF16, F16, F64, I64, BOOL, an unread type")
  func foreign() throws {
    let header = """
      {"__metadata__":{"format":"pt"},"f":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},\
      "b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},\
      "h":{"dtype":"F16","shape":[2],"data_offsets":[12,16]},\
      "i":{"dtype":"I64","shape":[],"data_offsets":[16,24]},\
      "m":{"dtype":"BOOL","shape":[1],"data_offsets":[24,25]},\
      "q":{"dtype":"I8","shape":[1],"data_offsets":[25,26]},\
      "d":{"dtype":"F64","shape":[1],"data_offsets":[26,34]},\
      "e":{"dtype":"F32","shape":[0,7],"data_offsets":[34,34]}}
      """
    let data: [UInt8] = [
      0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0, 0xC0, 0x3F, 0x01, 0x00, 0x00, 0x3C, 0x01, 0x00,
      0x9C, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 7, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F,
    ]
    let folder = try TemporaryFolder()
    let path = try folder.write(safetensorsBytes(header, data: data), "x.safetensors")
    let file = try SafetensorsFile(path)
    #expect(file.tensors.map(\.name) == ["b", "d", "e", "f", "h", "i", "m"])
    #expect(
      file.description(of: "f") == TensorDescription(name: "f", shape: [1, 2], dtype: .float32))
    #expect(file.metadata("format") == "pt")
    #expect(try file.values("f") == [1.5, -2])
    #expect(try file.values("f", 1..<2) == [-2])
    #expect(try file.values("b") == [1.5, 0x1p-133])
    #expect(try file.values("h") == [1, 0x1p-24])
    #expect(try file.values("d") == [1.5])
    #expect(try file.values("e") == [])
    #expect(try file.integers("i", 0..<1) == [-100])
  }

  @Test("What is written reads back, rounded to its type, and names nothing else in the folder")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let values = [0.1, -3, 65504, 0, 1e-8, .infinity]
    let types: [DType] = [.float64, .float32, .float16, .bfloat16]
    let path = try write(
      types.map { (TensorDescription(name: "t.\($0)", shape: [2, 3], dtype: $0), values) },
      in: folder)
    let file = try SafetensorsFile(path)
    #expect(folder.contents() == ["w.safetensors"])
    #expect(try file.values("t.float64") == values)
    #expect(try file.values("t.float32") == values.map { Double(Float($0)) })
    #expect(try file.values("t.float16") == values.map { Double(Float16($0)) })
    #expect(
      try file.values("t.bfloat16") == [0x1.9Ap-4, -3, 65536, 0, 0x1.58p-27, .infinity])
    #expect(file.metadata("format") == "pt")
  }

  @Test("Every float16 and bfloat16 reads exactly and writes back to the same bits")
  func narrowTypes() throws {
    let folder = try TemporaryFolder()
    let all = (0...UInt16.max).map { $0 }
    for (type, isNaN) in [
      ("F16", { (bits: UInt16) in bits & 0x7FFF > 0x7C00 }), ("BF16", { $0 & 0x7FFF > 0x7F80 }),
    ] {
      let data = all.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
      let header = "{\"t\":{\"dtype\":\"\(type)\",\"shape\":[65536],\"data_offsets\":[0,131072]}}"
      let path = try folder.write(safetensorsBytes(header, data: data), "\(type).safetensors")
      let values = try SafetensorsFile(path).values("t")
      for bits in all where !isNaN(bits) {
        let value = values[Int(bits)]
        let back = type == "F16" ? Float16(value).bitPattern : value.bfloat16Bits
        #expect(back == bits)
      }
      #expect(all.allSatisfy { isNaN($0) == values[Int($0)].isNaN })
    }
  }

  @Test("A bfloat16 is rounded once: a number just beside a middle goes to its own side")
  func roundsOnce() {
    let middle = 1 + 0x1p-8
    #expect(middle.bfloat16Bits == 0x3F80)
    #expect((middle + 0x1p-40).bfloat16Bits == 0x3F81)
    #expect((middle - 0x1p-40).bfloat16Bits == 0x3F80)
    let oddMiddle = 1 + 3 * 0x1p-8
    #expect(oddMiddle.bfloat16Bits == 0x3F82)
    #expect((oddMiddle - 0x1p-40).bfloat16Bits == 0x3F81)
    #expect((-oddMiddle).bfloat16Bits == 0xBF82)
    #expect(Double.greatestFiniteMagnitude.bfloat16Bits == 0x7F80)
    #expect(Double.nan.bfloat16Bits & 0x7FFF > 0x7F80)
  }

  @Test("Int64 are written and read, and neither kind is taken for the other")
  func integers() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/batch.safetensors"
    let ids = TensorDescription(name: "input_ids", shape: [3], dtype: .int64)
    let writer = try SafetensorsWriter(path, tensors: [ids])
    try writer.begin(ids)
    #expect(throws: FormatError.self) { try writer.write([1.0, 2, 3]) }
    let second = try SafetensorsWriter(path, tensors: [ids])
    try second.begin(ids)
    try second.write([1, -100] as [Int64])
    try second.write([.max] as [Int64])
    try second.finish()
    let file = try SafetensorsFile(path)
    #expect(try file.integers("input_ids", 0..<3) == [1, -100, .max])
    let error = #expect(throws: FormatError.self) { try file.values("input_ids") }
    #expect(
      error?.description == "\(path): at tensor \"input_ids\": expected the type F64, F32, F16 or "
        + "BF16, found I64; convert the tensor to that type")
  }

  @Test("A missing tensor and elements beyond its end are refused")
  func outside() throws {
    let folder = try TemporaryFolder()
    let tensor = TensorDescription(name: "t", shape: [2], dtype: .float32)
    let file = try SafetensorsFile(try write([(tensor, [1, 2])], in: folder))
    let missing = #expect(throws: FormatError.self) { try file.values("none", 0..<0) }
    #expect(missing?.description.contains("expected a tensor called \"none\"") == true)
    let beyond = #expect(throws: FormatError.self) { try file.values("t", 1..<3) }
    #expect(beyond?.description.contains("expected at least 3 elements, found 2") == true)
    #expect(throws: FormatError.self) { try file.values("t", -1..<1) }
  }

  @Test("Pieces of many blocks are written whole")
  func large() throws {
    let folder = try TemporaryFolder()
    let values = (0..<100_003).map(Double.init)
    let tensor = TensorDescription(name: "t", shape: [100_003], dtype: .float32)
    #expect(try SafetensorsFile(try write([(tensor, values)], in: folder)).values("t") == values)
  }

  @Test("A file open for reading outlives its replacement")
  func replacedWhileOpen() throws {
    let folder = try TemporaryFolder()
    let tensor = TensorDescription(name: "t", shape: [2], dtype: .float32)
    let old = try SafetensorsFile(try write([(tensor, [1, 2])], in: folder))
    let new = try SafetensorsFile(try write([(tensor, [3, 4])], in: folder))
    #expect(try old.values("t") == [1, 2])
    #expect(try new.values("t") == [3, 4])
  }
}

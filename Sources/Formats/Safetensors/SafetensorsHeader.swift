/// The checked header of a safetensors file.
///
///     8 bytes     N, the header's length, little-endian
///     N bytes     {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__"}
///     the rest    the tensors' elements, row-major, little-endian
///
/// Offsets count from the end of the header. What it describes fills the file exactly: no tensor
/// overlaps another, none ends outside, no byte belongs to none (the format's own rule, so that a
/// file cannot carry anything else). See https://github.com/huggingface/safetensors, "Format".
struct SafetensorsHeader {
  /// A tensor and where its elements lie in the file.
  struct Entry {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let elementCount: Int
    /// Positions of its bytes, counted from the start of the file.
    let bytes: Range<Int>
  }

  /// The most bytes a header may have, the format's own limit.
  static let sizeLimit = 100_000_000

  /// The tensors in the order of their bytes.
  let entries: [Entry]
  /// The text-to-text map under `__metadata__`, in the file's order.
  let metadata: [(key: String, value: String)]

  /// Reads the header of `file`, whose whole contents are `contents`.
  ///
  /// - Throws: ``FormatError/malformed(file:place:expected:found:remedy:)`` for whatever is wrong
  ///   in it; nothing is allocated beyond what the header spells out.
  init(_ contents: UnsafeRawBufferPointer, file: String) throws(FormatError) {
    let length = try Self.length(of: contents, file: file)
    let text = [UInt8](contents[8..<(8 + length)])
    guard text.first == UInt8(ascii: "{") else {
      throw Self.malformed(
        file, "byte 8", "the header's opening brace", text.isEmpty ? "an empty header" : "no brace")
    }
    let root = try JSONDocument(bytes: text, file: file, start: 8).root
    var entries: [Entry] = []
    var metadata: [(key: String, value: String)] = []
    for (name, node) in try root.members() {
      if name == "__metadata__" {
        for (key, value) in try node.members() { metadata.append((key, try value.string())) }
      } else {
        entries.append(
          try Entry(name: name, node: node, data: 8 + length, end: contents.count))
      }
    }
    entries.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    try Self.checkCover(entries, data: (8 + length)..<contents.count, file: file)
    self.entries = entries
    self.metadata = metadata
  }

  private static func length(
    of contents: UnsafeRawBufferPointer, file: String
  ) throws(FormatError) -> Int {
    guard contents.count >= 8 else {
      throw malformed(file, "byte 0", "the header's length in 8 bytes", "\(contents.count) bytes")
    }
    let length = UInt64(littleEndian: contents.loadUnaligned(as: UInt64.self))
    let limit = min(sizeLimit, contents.count - 8)
    if length <= UInt64(limit) { return Int(length) }
    throw malformed(
      file, "byte 0", "a header of at most \(limit) bytes", "a length of \(length)")
  }

  /// Checks that `entries`, sorted by position, fill `data` without gap or overlap.
  private static func checkCover(
    _ entries: [Entry], data: Range<Int>, file: String
  ) throws(FormatError) {
    var end = data.lowerBound
    for entry in entries {
      if entry.bytes.lowerBound != end {
        throw malformed(
          file, "tensor \(entry.name.quoted(limit: 120))",
          "its bytes to begin where the last tensor ends, at \(end - data.lowerBound)",
          "\(entry.bytes.lowerBound - data.lowerBound), "
            + (entry.bytes.lowerBound < end ? "an overlap" : "a gap"))
      }
      end = entry.bytes.upperBound
    }
    if end == data.upperBound { return }
    throw malformed(
      file, "byte \(end)", "the end of the file after the last tensor",
      "\(data.upperBound - end) bytes more")
  }

  static func malformed(
    _ file: String, _ place: String, _ expected: String, _ found: String
  ) -> FormatError {
    .malformed(
      file: file, place: place, expected: expected, found: found,
      remedy: "fetch or write the file again")
  }
}

extension SafetensorsHeader.Entry {
  /// Reads one tensor's description; its data lie within `data..<end` of the file.
  fileprivate init(
    name: String, node: JSONNode, data: Int, end: Int
  ) throws(FormatError) {
    type = try node.field("dtype").choice(of: SafetensorsType.self)
    let shapeNode = try node.field("shape")
    var shape: [Int] = []
    var count = 1
    for size in try shapeNode.array() {
      shape.append(try size.nonNegativeInteger())
      count = try Self.product(count, shape[shape.count - 1], at: shapeNode)
    }
    let bits = try Self.product(count, type.bits, at: shapeNode)
    let offsets = try Self.offsets(node.field("data_offsets"), limit: end - data)
    guard bits.isMultiple(of: 8), offsets.count == bits / 8 else {
      throw try node.field("data_offsets").malformed(
        expected: "the \(bits / 8) bytes of \(count) elements of \(type.rawValue)",
        found: "\(offsets.count) bytes", remedy: "fetch or write the file again")
    }
    self.name = name
    self.shape = shape
    elementCount = count
    bytes = (data + offsets.lowerBound)..<(data + offsets.upperBound)
  }

  private static func product(_ left: Int, _ right: Int, at node: JSONNode) throws(FormatError)
    -> Int
  {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    if !overflow { return product }
    throw node.malformed(
      expected: "a shape whose bytes can be counted", found: "a product beyond 64 bits",
      remedy: "fetch or write the file again")
  }

  private static func offsets(_ node: JSONNode, limit: Int) throws(FormatError) -> Range<Int> {
    let ends = try node.array()
    guard ends.count == 2 else { throw node.malformed(expected: "[begin, end]") }
    let end = try ends[1].nonNegativeInteger(upTo: limit)
    return try ends[0].nonNegativeInteger(upTo: end)..<end
  }
}

package import PlanIR

/// A safetensors file, mapped into memory: opening it reads the header only, reading a tensor
/// touches the pages asked for.
///
/// The file must not shrink while it is open, as of every memory-mapped file.
package struct SafetensorsFile: TensorSource {
  /// The file's path, for messages.
  package let path: String
  /// The tensors whose type tpplan has, in name order; `BOOL` counts as uint8.
  package let tensors: [TensorDescription]
  private let mapping: MappedFile
  private let entries: [String: SafetensorsHeader.Entry]
  private let metadataPairs: [String: String]

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: ``FormatError`` where it is missing, unreadable or not exactly what its header says.
  package init(_ path: String) throws(FormatError) {
    self.path = path
    mapping = try MappedFile(path)
    let header = try SafetensorsHeader(mapping.contents, file: path)
    entries = Dictionary(header.entries.map { ($0.name, $0) }) { first, _ in first }
    metadataPairs = Dictionary(header.metadata.map { ($0.key, $0.value) }) { first, _ in first }
    tensors = header.entries.compactMap(\.description).sorted { $0.name < $1.name }
  }

  /// The text stored under `key` in the file's metadata.
  package func metadata(_ key: String) -> String? { metadataPairs[key] }

  /// Whether the file holds a tensor called `name`, of whatever type.
  func holds(_ name: String) -> Bool { entries[name] != nil }

  /// The names of all tensors, of whatever type, in no order.
  var names: some Sequence<String> { entries.keys }

  package func description(of name: String) -> TensorDescription? { entries[name]?.description }

  /// What the file calls the type of `name`; nil where there is no such tensor.
  package func typeName(of name: String) -> String? { entries[name]?.type.rawValue }

  /// Converts a piece of a floating-point tensor, exactly.
  ///
  /// - Throws: ``FormatError`` where there is no such tensor, it is of another type or `range` runs
  ///   out of it.
  package func read(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Double>
  ) throws(FormatError) {
    precondition(output.count == range.count, "output holds \(output.count) of \(range.count)")
    let entry = try entry(name, range: range)
    let bytes = piece(range, of: entry)
    switch entry.type {
    case .float64: convert(bytes, to: output) { Double(bitPattern: UInt64(littleEndian: $0)) }
    case .float32:
      convert(bytes, to: output) { Double(Float(bitPattern: UInt32(littleEndian: $0))) }
    case .float16:
      convert(bytes, to: output) { Double(Float16(bitPattern: UInt16(littleEndian: $0))) }
    case .bfloat16: convert(bytes, to: output) { Double(bfloat16: UInt16(littleEndian: $0)) }
    case .bool, .uint8, .int8, .int16, .uint16, .int32, .uint32, .complex64, .int64, .uint64,
      .float4, .float6E2M3, .float6E3M2, .float8E5M2, .float8E4M3, .float8E8M0:
      throw wrongType(entry, expected: "F64, F32, F16 or BF16")
    }
  }

  /// Reads a piece of an int64 tensor.
  ///
  /// - Throws: ``FormatError`` where there is no such tensor, it is of another type or `range` runs
  ///   out of it.
  package func readIntegers(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(FormatError) {
    precondition(output.count == range.count, "output holds \(output.count) of \(range.count)")
    let entry = try entry(name, range: range)
    guard entry.type == .int64 else { throw wrongType(entry, expected: "I64") }
    convert(piece(range, of: entry), to: output) { Int64(littleEndian: $0) }
  }
}

extension SafetensorsFile {
  private func entry(
    _ name: String, range: Range<Int>
  ) throws(FormatError) -> SafetensorsHeader.Entry {
    guard let entry = entries[name] else {
      throw .malformed(
        file: path, place: "the header", expected: "a tensor called \(name.quoted(limit: 120))",
        found: "\(entries.count) others", remedy: "check that the file belongs to the model")
    }
    if range.lowerBound >= 0, range.upperBound <= entry.elementCount { return entry }
    throw .malformed(
      file: path, place: "tensor \(name.quoted(limit: 120))",
      expected: "at least \(range.upperBound) elements", found: "\(entry.elementCount)",
      remedy: "check that the file belongs to the model")
  }

  /// The bytes of elements `range`; only for types of whole bytes.
  private func piece(
    _ range: Range<Int>, of entry: SafetensorsHeader.Entry
  ) -> UnsafeRawBufferPointer {
    let width = entry.type.bits / 8
    let start = entry.bytes.lowerBound + range.lowerBound * width
    return UnsafeRawBufferPointer(
      rebasing: mapping.contents[start..<(start + range.count * width)])
  }

  /// Converts element by element; elements need not be aligned, as the header may have any length.
  @inline(__always)
  private func convert<Stored: BitwiseCopyable, Result>(
    _ bytes: UnsafeRawBufferPointer, to output: UnsafeMutableBufferPointer<Result>,
    _ conversion: (Stored) -> Result
  ) {
    let width = MemoryLayout<Stored>.size
    for index in output.indices {
      output[index] = conversion(
        bytes.loadUnaligned(fromByteOffset: index * width, as: Stored.self))
    }
    // The mapping must not go before its bytes were read.
    withExtendedLifetime(mapping) {}
  }

  private func wrongType(_ entry: SafetensorsHeader.Entry, expected: String) -> FormatError {
    .malformed(
      file: path, place: "tensor \(entry.name.quoted(limit: 120))",
      expected: "the type \(expected)", found: entry.type.rawValue,
      remedy: "convert the tensor to that type")
  }
}

extension SafetensorsHeader.Entry {
  /// The description, or nil where tpplan has no such type.
  fileprivate var description: TensorDescription? {
    type.dtype.map { TensorDescription(name: name, shape: shape, dtype: $0) }
  }
}

package import PlanIR

/// Writes a safetensors file, tensor by tensor in the order announced when it was made.
///
/// The header comes first, so every tensor must be known beforehand; they lie in the file in the
/// order given, wider types first where types are mixed if readers are to find them aligned. The
/// file appears under its name with ``finish()`` and not before; without it nothing is left.
package final class SafetensorsWriter: TensorSink {
  private let path: String
  private var file: AtomicFile?
  private let tensors: [TensorDescription]
  /// How many tensors were begun.
  private var begun = 0
  /// Elements that the tensor begun last still lacks.
  private var lacking = 0

  /// Starts a file at `path` that will hold `tensors`.
  ///
  /// - Parameters:
  ///   - path: The file, replaced if there is one.
  ///   - tensors: All tensors in the order in which they will be written, of unequal names.
  ///   - metadata: Texts for `__metadata__`; `["format": "pt"]` pleases Hugging Face's loader.
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where the folder takes no new file.
  package init(
    _ path: String, tensors: [TensorDescription], metadata: [String: String] = [:]
  ) throws(FormatError) {
    let header = Self.header(of: tensors, metadata: metadata)
    if header.count - 8 > SafetensorsHeader.sizeLimit {
      throw .unwritable(file: path, reason: "\(tensors.count) tensors overflow the header")
    }
    self.path = path
    self.tensors = tensors
    file = try AtomicFile(replacing: path)
    try append(header)
  }

  /// Announces the next tensor.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where the tensor before is not full or
  ///   another than `tensor` comes next.
  package func begin(_ tensor: TensorDescription) throws(FormatError) {
    try checkFull()
    guard begun < tensors.count, tensors[begun] == tensor else {
      throw misuse("tensor \(tensor.name.quoted()) does not come next")
    }
    begun += 1
    lacking = tensor.elementCount
  }

  /// Appends elements, rounded once to the tensor's type.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where they are too many, the tensor is not
  ///   of a floating-point type or the disk refuses them.
  package func write(_ elements: UnsafeBufferPointer<Double>) throws(FormatError) {
    let dtype = try take(elements.count)
    switch dtype {
    case .float64: try append(elements) { $0.bitPattern.littleEndian }
    case .float32: try append(elements) { Float($0).bitPattern.littleEndian }
    case .float16: try append(elements) { Float16($0).bitPattern.littleEndian }
    case .bfloat16: try append(elements) { $0.bfloat16Bits.littleEndian }
    case .int64, .uint8: throw misuse("floating-point elements for a tensor of \(dtype.rawValue)")
    }
  }

  /// Appends elements of an int64 tensor.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where they are too many, the tensor is of
  ///   another type or the disk refuses them.
  package func write(_ elements: UnsafeBufferPointer<Int64>) throws(FormatError) {
    let dtype = try take(elements.count)
    guard dtype == .int64 else { throw misuse("integers for a tensor of \(dtype.rawValue)") }
    try append(elements) { $0.littleEndian }
  }

  /// Gives the file its name.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where a tensor is missing or not full or
  ///   the disk refuses; nothing is left then.
  package func finish() throws(FormatError) {
    try checkFull()
    if begun < tensors.count {
      throw misuse("tensor \(tensors[begun].name.quoted()) was not written")
    }
    guard let finished = file.take() else { throw misuse("it is finished") }
    try finished.commit()
  }
}

extension SafetensorsWriter {
  /// Elements converted at a time, so that no more than this is in memory.
  private static var blockLength: Int { 1 << 15 }

  private static func header(
    of tensors: [TensorDescription], metadata: [String: String]
  ) -> [UInt8] {
    var members: [JSONMember] = []
    if !metadata.isEmpty {
      let pairs = metadata.map { JSONMember(key: $0.key, value: .string($0.value)) }
      members.append(JSONMember(key: "__metadata__", value: .object(pairs)))
    }
    var end = 0
    for tensor in tensors {
      let begin = end
      end += tensor.elementCount * tensor.dtype.width
      members.append(
        JSONMember(
          key: tensor.name,
          value: [
            "dtype": .string(SafetensorsType(tensor.dtype).rawValue),
            "shape": .array(tensor.shape.map { .integer($0) }),
            "data_offsets": [.integer(begin), .integer(end)],
          ]))
    }
    var text = Array(JSONValue.object(members).compactText.utf8)
    // The data begin at a multiple of 8, so that readers may map them in place.
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  /// Counts `count` elements off the tensor begun last and returns its type.
  private func take(_ count: Int) throws(FormatError) -> DType {
    guard count <= lacking, begun > 0 else {
      throw misuse("\(count) elements where \(lacking) are lacking")
    }
    lacking -= count
    return tensors[begun - 1].dtype
  }

  private func checkFull() throws(FormatError) {
    if lacking == 0 { return }
    throw misuse("tensor \(tensors[begun - 1].name.quoted()) lacks \(lacking) elements")
  }

  private func append<Element, Stored>(
    _ elements: UnsafeBufferPointer<Element>, _ conversion: (Element) -> Stored
  ) throws(FormatError) {
    var rest = elements[...]
    while !rest.isEmpty {
      let block = rest.prefix(Self.blockLength).map(conversion)
      try append(block.withUnsafeBytes { Array($0) })
      rest = rest.dropFirst(block.count)
    }
  }

  private func append(_ bytes: [UInt8]) throws(FormatError) {
    if file == nil { throw misuse("it is finished") }
    try file?.append(bytes)
  }

  private func misuse(_ reason: String) -> FormatError {
    .unwritable(file: path, reason: reason)
  }
}

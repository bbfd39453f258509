import Glibc
package import PlanIR

/// The weights of a model as Hugging Face stores them: one file, or several and an index that says
/// which holds which tensor.
package struct SafetensorsFolder: TensorSource {
  package let tensors: [TensorDescription]
  private let files: [SafetensorsFile]
  /// The number of the file that holds a tensor.
  private let fileOfTensor: [String: Int]
  private let path: String

  /// Opens the weights at `path`: a safetensors file, an index (`*.safetensors.index.json`), or a
  /// folder with `model.safetensors` or, failing that, `model.safetensors.index.json`.
  ///
  /// - Throws: ``FormatError`` where nothing of this kind is there or a file of it is malformed.
  package init(_ path: String) throws(FormatError) {
    let weights = try Self.weights(at: path)
    if weights.hasSuffix(".index.json") {
      try self.init(index: weights)
    } else {
      try self.init(single: weights)
    }
  }

  package func description(of name: String) -> TensorDescription? {
    fileOfTensor[name].flatMap { files[$0].description(of: name) }
  }

  /// Converts a piece of a floating-point tensor, exactly.
  ///
  /// - Throws: ``FormatError`` where there is no such tensor, it is of another type or `range` runs
  ///   out of it.
  package func read(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Double>
  ) throws(FormatError) {
    try file(of: name).read(name, range: range, into: output)
  }

  /// Reads a piece of an int64 tensor.
  ///
  /// - Throws: ``FormatError`` where there is no such tensor, it is of another type or `range` runs
  ///   out of it.
  package func readIntegers(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(FormatError) {
    try file(of: name).readIntegers(name, range: range, into: output)
  }
}

extension SafetensorsFolder {
  private init(single path: String) throws(FormatError) {
    let file = try SafetensorsFile(path)
    self.path = path
    files = [file]
    tensors = file.tensors
    fileOfTensor = Dictionary(file.names.map { ($0, 0) }) { first, _ in first }
  }

  private init(index path: String) throws(FormatError) {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var files: [SafetensorsFile] = []
    var numbers: [String: Int] = [:]
    var fileOfTensor: [String: Int] = [:]
    for (tensor, node) in try JSONDocument(contentsOf: path).field("weight_map").members() {
      let name = try node.string()
      if numbers[name] == nil {
        numbers[name] = files.count
        files.append(try Self.shard(node, named: name, in: folder))
      }
      let number = numbers[name] ?? 0
      guard files[number].holds(tensor) else {
        throw node.malformed(
          expected: "a file that holds \(tensor.quoted(limit: 120))",
          found: "\(name.quoted()), which does not", remedy: "fetch index and weights again")
      }
      fileOfTensor[tensor] = number
    }
    self.path = path
    self.files = files
    self.fileOfTensor = fileOfTensor
    tensors = fileOfTensor.compactMap { files[$1].description(of: $0) }.sorted { $0.name < $1.name }
  }

  private static func shard(
    _ node: JSONNode, named name: String, in folder: String
  ) throws(FormatError) -> SafetensorsFile {
    guard name.hasSuffix(".safetensors"), !name.contains("/") else {
      throw node.malformed(expected: "the name of a .safetensors file beside the index")
    }
    do throws(FormatError) {
      return try SafetensorsFile(folder + name)
    } catch .missing {
      throw node.malformed(
        expected: "a file beside the index", found: "\(name.quoted()), which is missing",
        remedy: "fetch the file")
    }
  }

  /// The file to open for `path`.
  private static func weights(at path: String) throws(FormatError) -> String {
    guard isFolder(path) else { return path }
    let folder = path.hasSuffix("/") ? path : path + "/"
    let single = folder + "model.safetensors"
    let index = single + ".index.json"
    return access(single, F_OK) != 0 && access(index, F_OK) == 0 ? index : single
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private func file(of name: String) throws(FormatError) -> SafetensorsFile {
    if let number = fileOfTensor[name] { return files[number] }
    throw .malformed(
      file: path, place: "the index", expected: "a tensor called \(name.quoted(limit: 120))",
      found: "\(fileOfTensor.count) others", remedy: "check that the weights belong to the model")
  }
}

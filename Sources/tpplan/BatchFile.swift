import Executor
import Formats
import PlanIR

/// A step's tokens and labels from a safetensors file.
enum BatchFile {
  static func read(
    _ path: String, _ model: Model, _ workload: Workload
  ) throws -> HostBatch {
    let file = try SafetensorsFile(path)
    let batch = HostBatch(
      tokens: try integers("input_ids", file, path, workload),
      labels: try integers("labels", file, path, workload))
    let vocabulary = model.sizes[.vocabulary]
    guard vocabulary > 0 else { return batch }
    try check(batch.tokens, "input_ids", path, workload) { (0..<vocabulary).contains(Int($0)) }
    try check(batch.labels, "labels", path, workload) {
      $0 == HostBatch.ignoredLabel || (0..<vocabulary).contains(Int($0))
    }
    return batch
  }

  private static func check(
    _ ids: [Int64], _ name: String, _ path: String, _ workload: Workload,
    _ isRight: (Int64) -> Bool
  ) throws {
    guard let place = ids.firstIndex(where: { !isRight($0) }) else { return }
    throw CommandFailure.badData(
      "\(path): tensor `\(name)`, sequence \(place / workload.sequence), position "
        + "\(place % workload.sequence): expected an id of the model's vocabulary"
        + (name == "labels" ? ", or \(HostBatch.ignoredLabel) where none counts" : "")
        + ", found \(ids[place]); use the model's own tokenizer")
  }

  private static func integers(
    _ name: String, _ file: SafetensorsFile, _ path: String, _ workload: Workload
  ) throws -> [Int64] {
    let shape = [workload.globalBatch, workload.sequence]
    guard let tensor = file.description(of: name) else {
      throw CommandFailure.badData(
        "\(path): tensor `\(name)`: expected int64 of shape \(shape), found "
          + "\(file.typeName(of: name) ?? "none of that name"); write it as I64")
    }
    guard tensor.shape == shape, tensor.dtype == .int64 else {
      throw CommandFailure.badData(
        "\(path): tensor `\(name)`: expected int64 of shape \(shape), the plan's global batch "
          + "and sequence, found \(tensor.dtype.rawValue) of shape \(tensor.shape); "
          + "write the batch that the plan was searched for")
    }
    var values = [Int64](repeating: 0, count: tensor.elementCount)
    try values.withUnsafeMutableBufferPointer {
      try file.readIntegers(name, range: 0..<tensor.elementCount, into: $0)
    }
    return values
  }
}

import Executor
import Formats
import PlanIR

/// A step's tokens and labels from a safetensors file.
enum BatchFile {
  static func read(_ path: String, _ workload: Workload) throws -> HostBatch {
    let file = try SafetensorsFile(path)
    return HostBatch(
      tokens: try integers("input_ids", file, path, workload),
      labels: try integers("labels", file, path, workload))
  }

  private static func integers(
    _ name: String, _ file: SafetensorsFile, _ path: String, _ workload: Workload
  ) throws -> [Int64] {
    let shape = [workload.globalBatch, workload.sequence]
    guard let tensor = file.description(of: name) else {
      throw CommandFailure.badData(
        "\(path): tensor `\(name)`: expected int64 of shape \(shape), found none of that name")
    }
    guard tensor.shape == shape, tensor.dtype == .int64 else {
      throw CommandFailure.badData(
        "\(path): tensor `\(name)`: expected int64 of shape \(shape), the plan's global batch "
          + "and sequence, found \(tensor.dtype.rawValue) of shape \(tensor.shape)")
    }
    var values = [Int64](repeating: 0, count: tensor.elementCount)
    try values.withUnsafeMutableBufferPointer {
      try file.readIntegers(name, range: 0..<tensor.elementCount, into: $0)
    }
    return values
  }
}

import Executor
import Formats
import PlanIR
import Proof

/// Writes what a run computed, gathered and without padding, each tensor in the type that the run
/// stored it in.
struct DumpFile {
  private typealias Entry = (tensor: TensorDescription, values: [Double])

  private let precision: RunPrecision
  private var entries: [Entry] = []

  static func write(
    _ verdict: Verdict, _ plan: Plan, _ precision: RunPrecision, steps: Int, to path: String
  ) throws {
    var dump = DumpFile(precision: precision)
    dump.collect(verdict, plan, steps: steps)
    try dump.write(to: path)
  }

  private init(precision: RunPrecision) { self.precision = precision }

  private mutating func collect(_ verdict: Verdict, _ plan: Plan, steps: Int) {
    let (run, sizes) = (verdict.run, plan.model.sizes)
    let tokens = [plan.workload.globalBatch, plan.workload.sequence]
    add("loss", [], [run.losses.first ?? .nan], .statistic)
    if let logits = run.tensors["logits"] {
      add("logits", tokens + [sizes[.vocabulary]], logits, .activation)
    }
    if let input = run.tensors["grad.input"] {
      add("grad.input", tokens + [sizes[.hidden]], input, .activation)
    }
    add(verdict.gradients, prefix: "grad.", .mainGradient)
    if steps > 1 {
      add("losses", [steps], run.losses, .statistic)
      add(verdict.parameters, prefix: "param.", .weight)
    }
  }

  private mutating func add(
    _ name: String, _ shape: [Int], _ values: [Double], _ width: ValueWidth
  ) {
    let dtype = precision.storedType(of: width)
    entries.append((TensorDescription(name: name, shape: shape, dtype: dtype), values))
  }

  private mutating func add(_ tensors: CheckpointTensors, prefix: String, _ width: ValueWidth) {
    for name in tensors.names {
      guard let tensor = tensors.tensors[name] else { continue }
      add(prefix + name, tensor.shape, tensor.values, width)
    }
  }

  /// Writes wider types first, so that all elements are aligned.
  private func write(to path: String) throws {
    let widths = Set(entries.map(\.tensor.dtype.width)).sorted(by: >)
    let ordered = widths.flatMap { width in entries.filter { $0.tensor.dtype.width == width } }
    let writer = try SafetensorsWriter(path, tensors: ordered.map(\.tensor))
    for entry in ordered {
      try writer.begin(entry.tensor)
      try entry.values.withUnsafeBufferPointer { try writer.write($0) }
    }
    try writer.finish()
  }
}

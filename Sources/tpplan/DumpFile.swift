import Executor
import Formats
import PlanIR
import Proof

/// Writes what a run computed, gathered and without padding.
enum DumpFile {
  static func write(
    _ verdict: Verdict, _ plan: Plan, _ dtype: DType, steps: Int, to path: String
  ) throws {
    let workload = plan.workload
    var tensors: [(name: String, shape: [Int], values: [Double])] = [
      ("loss", [], [verdict.run.losses.first ?? .nan])
    ]
    if let logits = verdict.run.tensors["logits"] {
      let shape = [workload.globalBatch, workload.sequence, plan.model.sizes[.vocabulary]]
      tensors.append(("logits", shape, logits))
    }
    if let input = verdict.run.tensors["grad.input"] {
      let shape = [workload.globalBatch, workload.sequence, plan.model.sizes[.hidden]]
      tensors.append(("grad.input", shape, input))
    }
    tensors += list(verdict.gradients, prefix: "grad.")
    if steps > 1 {
      tensors.append(("losses", [steps], verdict.run.losses))
      tensors += list(verdict.parameters, prefix: "param.")
    }
    let writer = try SafetensorsWriter(
      path,
      tensors: tensors.map { TensorDescription(name: $0.name, shape: $0.shape, dtype: dtype) })
    for tensor in tensors {
      try writer.begin(TensorDescription(name: tensor.name, shape: tensor.shape, dtype: dtype))
      try tensor.values.withUnsafeBufferPointer { try writer.write($0) }
    }
    try writer.finish()
  }

  private static func list(
    _ tensors: CheckpointTensors, prefix: String
  ) -> [(name: String, shape: [Int], values: [Double])] {
    tensors.names.compactMap { name in
      tensors.tensors[name].map { (prefix + name, $0.shape, $0.values) }
    }
  }
}

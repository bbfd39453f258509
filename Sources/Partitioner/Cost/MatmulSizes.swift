package import PlanIR

extension Partitioner {
  /// The products that one device computes under `choices`, each once, in order: what a machine
  /// would have to measure to price the plan.
  package static func matmulSizes(
    of training: TrainingGraph, choices: PlanChoices
  ) throws(ConstraintViolation) -> [TimingTable.MatmulSize] {
    let program = try Lowering.program(of: training, choices: choices)
    var sizes: Set<TimingTable.MatmulSize> = []
    for body in program.bodies {
      for case .kernel(let call) in body.instructions {
        let work = KernelWork(call, in: body, precision: training.workload.precision)
        if let shape = work.matmul { sizes.insert(TimingTable.MatmulSize(shape)) }
      }
    }
    return sizes.sorted()
  }
}

extension TimingTable {
  /// Whether `size` was measured.
  package func has(_ size: MatmulSize) -> Bool { seconds(of: size) != nil }
}

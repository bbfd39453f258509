package import PlanIR

/// What a step of a program is priced at, by what its devices do.
package struct PricedParts: Sendable {
  /// CPU seconds of all devices, as if each had a core.
  package private(set) var times: [ProgramPart: PartTime] = [:]

  /// The parts of `program` as `cost` prices them.
  package init(_ program: Program, cost: any CostModel) {
    var calls = program.bodies.map { _ in 0 }
    for stage in program.stages {
      for call in stage.calls { calls[call.body] += program.mesh.stageDevices }
    }
    for (body, count) in zip(program.bodies, calls) where count > 0 {
      for instruction in body.instructions {
        guard let part = ProgramPart(instruction) else { continue }
        let time = cost.time(of: instruction, in: body, of: program)
        times[part, default: PartTime()].add(
          count, time.seconds / cost.contention * Double(count))
      }
    }
  }
}

extension CostModel {
  /// What `instruction` is priced at.
  fileprivate func time(
    of instruction: Instruction, in body: Body, of program: Program
  ) -> Picoseconds {
    switch instruction {
    case .kernel(let call):
      time(of: KernelWork(call, in: body, precision: program.precision))
    case .start(_, let collective, let axes, let from, let into):
      time(
        of: CollectiveUse(
          collective, in: body.phase, over: axes, from: body.buffers[from].type,
          into: body.buffers[into].type, program.mesh, program.precision))
    case .receive(let buffer, let message):
      time(
        of: CollectiveUse(
          message, of: body.buffers[buffer].type, program.mesh, program.precision))
    case .allocate, .free, .await, .send, .settle: .zero
    }
  }
}

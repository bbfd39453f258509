package import PlanIR

/// What a run will hold, without running: the executed ledger's peak of one device.
package enum MemoryDemand {
  /// Bytes at the fullest instant of one device when values are held as `dtype`.
  package static func peakBytes(of program: Program, dtype: DType) -> Int {
    let compiled = CompiledProgram(program, dtype: dtype)
    var ledger = Ledger()
    ledger.allocate(dtype.width)
    for parameter in program.parameters {
      let each = parameter.type.localCount * dtype.width * parameter.parts.count
      ledger.allocate(each * parameter.repetitions)
    }
    for call in program.stages.flatMap(\.calls) where call.microBatch == 0 {
      let body = program.bodies[call.body]
      for instruction in body.instructions {
        switch instruction {
        case .allocate(let buffer): ledger.allocate(bytes(body.buffers[buffer], compiled))
        case .free(let buffer): ledger.release(bytes(body.buffers[buffer], compiled))
        case .kernel, .start, .await: break
        }
      }
    }
    return ledger.peak
  }

  private static func bytes(_ buffer: Buffer, _ compiled: CompiledProgram) -> Int {
    buffer.type.localCount * compiled.runType(buffer.type.width).width
  }
}

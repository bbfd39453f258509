import Kernels
import PlanIR

extension KernelCompiler {
  func attentionStep(
    _ settings: AttentionSettings, _ hop: RingHop, _ call: KernelCall, in body: Body
  ) throws(RunError) -> CompiledKernel {
    let types = call.reads.map { body.buffers[$0].type }
    let step = try step(settings, hop, query: types[0], key: types[1])
    let (site, isFirst) = (dropoutSite(call, body), !call.accumulate)
    return { operands, context in
      AttentionKernels.forward(
        step, q: operands.reads[0], k: operands.reads[1], v: operands.reads[2],
        dropout: dropout(types[0], site, context), into: operands.writes[0],
        logSumExp: operands.writes[1], isFirst: isFirst)
    }
  }

  func attentionGradientStep(
    _ settings: AttentionSettings, _ hop: RingHop, _ call: KernelCall, in body: Body
  ) throws(RunError) -> CompiledKernel {
    let types = call.reads.map { body.buffers[$0].type }
    let step = try step(settings, hop, query: types[1], key: types[2])
    let (site, isFirst) = (dropoutSite(call, body), !call.accumulate)
    return { operands, context in
      AttentionKernels.backward(
        step,
        tape: AttentionTape(
          q: operands.reads[1], k: operands.reads[2], v: operands.reads[3], o: operands.reads[4],
          logSumExp: operands.reads[5]),
        dOut: operands.reads[0], dropout: dropout(types[1], site, context),
        into: operands.writes[0], operands.writes[1], operands.writes[2], isFirst: isFirst)
    }
  }

  /// The device's queries, and the keys that were `hop`'s source's: at the positions of that device.
  private func step(
    _ settings: AttentionSettings, _ hop: RingHop, query: TensorType, key: TensorType
  ) throws(RunError) -> AttentionStep {
    AttentionStep(
      try shape(settings, query: query, key: key),
      queries: program.sequenceRuns(of: query, on: device),
      keys: program.sequenceRuns(of: key, on: hop.source(of: device, in: mesh)))
  }
}

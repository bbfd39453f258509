import PlanIR

/// Ring attention (Liu et al., Ring Attention with Blockwise Transformers, arXiv 2310.01889): every
/// device of the context axis keeps its queries, and keys and values go round.
///
/// For C devices, forward: C steps, and between them C - 1 hops of keys and values to the next
/// device, each on its way while a step works on what came before. What the queries have seen so far
/// is summed at the width of statistics: the context, and the log of each row's sum of exponentials.
/// Backward: the same again; the gradients of keys and values, summed at the width of statistics, go
/// along with them, and one hop further, home. Each device sends, of keys of K elements,
/// `2K(C - 1)` elements forward, and `2K(C - 1)` and `2K C` wide ones backward.
extension BlockLowering {
  /// Lowers `operation` as a ring, where it is fused attention and the plan has a ring for it; true if
  /// it did.
  mutating func loweredAsRing(
    _ operation: GraphOperation, _ reads: [BufferID], _ axes: DimensionAxes
  ) throws(ConstraintViolation) -> Bool {
    guard let axis = context.ring else { return false }
    switch operation.kind {
    case .attention(let settings):
      try attend(operation, settings, reads, axes, along: axis)
    case .attentionGradient(let settings):
      try differentiate(operation, settings, reads, axes, along: axis)
    default: return false
    }
    return true
  }

  private mutating func attend(
    _ operation: GraphOperation, _ settings: AttentionSettings, _ reads: [BufferID],
    _ axes: DimensionAxes, along axis: AxisReference
  ) throws(ConstraintViolation) {
    let sums = try operation.outputs.map { output throws(ConstraintViolation) in
      try sum(of: output, operation, axes)
    }
    var blocks = Array(reads[1...])
    for hop in 0..<axis.size {
      let isLast = hop == axis.size - 1
      let next = isLast ? [] : blocks.map { current.startHop(of: $0, along: axis) }
      current.emit(
        step(
          .attentionStep(settings, RingHop(along: axis, hops: hop)), operation,
          [reads[0]] + blocks, sums))
      for message in next { current.emit(.await(message.token)) }
      blocks = next.map(\.buffer)
    }
    for (output, sum) in zip(operation.outputs, sums) { try contribute(sum, to: output) }
  }

  private mutating func differentiate(
    _ operation: GraphOperation, _ settings: AttentionSettings, _ reads: [BufferID],
    _ axes: DimensionAxes, along axis: AxisReference
  ) throws(ConstraintViolation) {
    var sums = try operation.outputs.map { output throws(ConstraintViolation) in
      try sum(of: output, operation, axes)
    }
    var blocks = Array(reads[2...3])
    for hop in 0..<axis.size {
      let isLast = hop == axis.size - 1
      let next = isLast ? [] : blocks.map { current.startHop(of: $0, along: axis) }
      current.emit(
        step(
          .attentionGradientStep(settings, RingHop(along: axis, hops: hop)), operation,
          Array(reads[...1]) + blocks + Array(reads[4...]), sums))
      for message in next { current.emit(.await(message.token)) }
      blocks = next.map(\.buffer)
      // Gradients leave with the keys and values that they are of, and come home last.
      let moved = sums[1...].map { current.startHop(of: $0, along: axis) }
      for message in moved { current.emit(.await(message.token)) }
      sums.replaceSubrange(1..., with: moved.map(\.buffer))
    }
    for (output, sum) in zip(operation.outputs, sums) { try contribute(sum, to: output) }
  }

  private func step(
    _ kind: KernelKind, _ operation: GraphOperation, _ reads: [BufferID], _ writes: [BufferID]
  ) -> KernelCall {
    var call = call(operation, reads, writes)
    call.kind = kind
    if case .attentionStep(_, let hop) = kind { call.accumulate = hop.hops > 0 }
    if case .attentionGradientStep(_, let hop) = kind { call.accumulate = hop.hops > 0 }
    return call
  }

  /// Where the steps sum `output`: as the operation computes it, at the width of statistics.
  private mutating func sum(
    of output: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes
  ) throws(ConstraintViolation) -> BufferID {
    var type = try context.type(
      graph.values[output], computedSharding(of: output, operation, axes))
    let name = graph.values[output].name + (type.width == .statistic ? "" : ".sum")
    type.width = .statistic
    return current.addTransient(name, type)
  }

  /// Hands a finished sum on as `output`, at that one's width.
  private mutating func contribute(
    _ sum: BufferID, to output: ValueID
  ) throws(ConstraintViolation) {
    var type = current.buffers[sum].type
    guard type.width != graph.values[output].width else { return try contribute(output, sum) }
    type.width = graph.values[output].width
    let buffer = current.addTransient(graph.values[output].name, type)
    current.emit(KernelCall(.copy, reads: [sum], writes: [buffer]))
    try contribute(output, buffer)
  }
}

extension BodyBuilder {
  /// Sends `buffer` to the next device along `axis`, and takes what the one before sends; not awaited.
  fileprivate mutating func startHop(
    of buffer: BufferID, along axis: AxisReference
  ) -> (token: Token, buffer: BufferID) {
    let name = buffers[buffer].name
    let suffix = ".permute"
    let into = addTransient(
      name.hasSuffix(suffix) ? name : name + suffix, buffers[buffer].type)
    return (start(.permute(shift: 1), over: [axis], from: buffer, into: into), into)
  }
}

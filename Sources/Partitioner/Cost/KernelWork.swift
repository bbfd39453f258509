package import PlanIR

/// What one kernel call must do: operations of the arithmetic units, bytes to and from memory.
package struct KernelWork: Hashable, Sendable {
  package var flops: Int
  package var bytes: Int
  /// The product, of a kernel that is one.
  package var matmul: MatmulShape?

  init(flops: Int, bytes: Int, matmul: MatmulShape?) {
    self.flops = flops
    self.bytes = bytes
    self.matmul = matmul
  }

  /// The work of `call` in `body` at the planned widths of `precision`.
  package init(_ call: KernelCall, in body: Body, precision: Precision) {
    func size(_ buffer: BufferID) -> Int {
      let type = body.buffers[buffer].type
      return type.localCount * precision.bytes(of: type.width)
    }
    let touched = call.reads + call.writes + (call.accumulate ? call.writes : [])
    bytes = touched.reduce(0) { $0 + size($1) }
    flops = 0
    let types = call.reads.map { body.buffers[$0].type }
    guard case .operation(let kind) = call.kind else {
      flops = Self.stepFlops(call.kind, types)
      return
    }
    switch kind {
    case .matmul:
      let shape = MatmulShape(a: types[0], b: types[1], c: body.buffers[call.writes[0]].type)
      matmul = shape
      flops = shape.flops
    case .embedding, .embeddingGradient:
      bytes = Self.lookupBytes(call, body, precision)
    default:
      flops = Self.attentionFlops(kind, types)
    }
  }

  /// A lookup touches the rows it reads, not the table.
  private static func lookupBytes(
    _ call: KernelCall, _ body: Body, _ precision: Precision
  ) -> Int {
    let rows = body.buffers[call.reads[0]].type.localCount
    let columns = body.buffers[call.reads[1]].type.localSize(.hidden)
    let width = body.buffers[call.writes[0]].type.width
    let panels = call.panel.map { $0.dimension == .vocabulary ? $0.count : 1 } ?? 1
    return rows * (8 + 3 * columns * precision.bytes(of: width) / panels)
  }

  /// Those of attention, of the queries and keys at hand: of a sequence in zigzag order a causal mask
  /// removes half in every step.
  private static func stepFlops(_ kind: KernelKind, _ types: [TensorType]) -> Int {
    let products: Int
    let settings: AttentionSettings
    switch kind {
    case .attentionStep(let given, _): (products, settings) = (2, given)
    case .attentionGradientStep(let given, _): (products, settings) = (5, given)
    default: return 0
    }
    guard let queries = types.first(where: { $0.dimensions.contains(.heads) }),
      let keys = types.first(where: { $0.dimensions.contains(.keyValueHeads) })
    else { return 0 }
    let all = products * 2 * queries.localCount * keys.localSize(.sequence)
    return settings.causal ? all / 2 : all
  }

  /// Products of queries, keys and values, of which a causal mask removes half: two forward; fused
  /// backward computes the scores again, so five (Dao, arXiv 2205.14135, section 3).
  private static func attentionFlops(_ kind: OperationKind, _ types: [TensorType]) -> Int {
    let products: Int
    let settings: AttentionSettings
    var queries = types.first { $0.dimensions.contains(.headWidth) }
    switch kind {
    case .attention(let given): (products, settings) = (2, given)
    case .attentionGradient(let given): (products, settings) = (5, given)
    case .attentionScores(let given), .attentionContext(let given),
      .attentionContextGradientProbabilities(let given),
      .attentionContextGradientValue(let given), .attentionScoresGradientQuery(let given),
      .attentionScoresGradientKey(let given):
      (products, settings) = (1, given)
      queries = types.first { $0.dimensions.contains(.keySequence) }
    default: return 0
    }
    guard let queries else { return 0 }
    let sequence = queries.sizes[queries.index(of: .sequence) ?? 0]
    let rows =
      queries.localSize(.batch) * queries.localSize(.sequence) * queries.localSize(.heads)
    let width = types.first { $0.dimensions.contains(.headWidth) }?.localSize(.headWidth) ?? 1
    let all = products * 2 * rows * sequence * width
    return settings.causal ? all / 2 : all
  }
}

import Kernels
import PlanIR

extension KernelCompiler {
  func attention(
    _ kind: OperationKind, _ reads: [TensorType], _ writes: [TensorType], site: DropoutSite
  ) throws(RunError) -> CompiledKernel {
    switch kind {
    case .attention(let settings):
      let shape = try shape(settings, query: reads[0], key: reads[1])
      let type = reads[0]
      return { operands, context in
        AttentionKernels.forward(
          shape, q: operands.reads[0], k: operands.reads[1], v: operands.reads[2],
          dropout: dropout(type, site, context), into: operands.writes[0],
          logSumExp: operands.writes[1])
      }
    case .attentionGradient(let settings):
      return try fusedGradient(settings, reads, site)
    default:
      return try unfused(kind, reads, writes)
    }
  }

  private func fusedGradient(
    _ settings: AttentionSettings, _ reads: [TensorType], _ site: DropoutSite
  ) throws(RunError) -> CompiledKernel {
    let shape = try shape(settings, query: reads[1], key: reads[2])
    let type = reads[1]
    return { operands, context in
      AttentionKernels.backward(
        shape,
        tape: AttentionTape(
          q: operands.reads[1], k: operands.reads[2], v: operands.reads[3], o: operands.reads[4],
          logSumExp: operands.reads[5]),
        dOut: operands.reads[0], dropout: dropout(type, site, context),
        into: operands.writes[0], operands.writes[1], operands.writes[2])
    }
  }

  private func unfused(
    _ kind: OperationKind, _ reads: [TensorType], _ writes: [TensorType]
  ) throws(RunError) -> CompiledKernel {
    let wide = reads + writes
    guard let settings = kind.attentionSettings,
      let key = wide.first(where: { $0.dimensions.contains(.keyValueHeads) }),
      let query = wide.first(where: { $0.dimensions.contains(.heads) })
    else { throw RunError.malformedProgram("\(kind.name) without heads") }
    let width = key.localSize(.headWidth)
    let shape = try shape(settings, query: query, key: key, width: width)
    return { operands, _ in
      let (first, second, result) = (operands.reads[0], operands.reads[1], operands.writes[0])
      typealias Kernel = UnfusedAttentionKernels
      switch kind {
      case .attentionScores: Kernel.scores(shape, q: first, k: second, into: result)
      case .attentionContext: Kernel.context(shape, p: first, v: second, into: result)
      case .attentionContextGradientProbabilities:
        Kernel.contextGradientProbabilities(shape, dOut: first, v: second, into: result)
      case .attentionContextGradientValue:
        Kernel.contextGradientValue(shape, p: first, dOut: second, into: result)
      case .attentionScoresGradientQuery:
        Kernel.scoresGradientQuery(shape, ds: first, k: second, into: result)
      default:
        Kernel.scoresGradientKey(shape, ds: first, q: second, into: result)
      }
    }
  }

  func shape(
    _ settings: AttentionSettings, query: TensorType, key: TensorType, width: Int? = nil
  ) throws(RunError) -> AttentionShape {
    let (heads, keyHeads) = (query.size(.heads), key.size(.keyValueHeads))
    guard keyHeads > 0, heads % keyHeads == 0 else {
      throw RunError.malformedProgram("\(heads) heads over \(keyHeads) key/value heads")
    }
    return AttentionShape(
      batch: query.localSize(.batch), querySequence: query.localSize(.sequence),
      keySequence: key.localSize(.sequence), heads: query.localSize(.heads),
      keyValueHeads: key.localSize(.keyValueHeads), width: width ?? query.localSize(.headWidth),
      headOffset: query.offset(of: .heads, on: device, in: mesh),
      keyValueHeadOffset: key.offset(of: .keyValueHeads, on: device, in: mesh),
      headsPerKeyValue: heads / keyHeads,
      queryOffset: query.offset(of: .sequence, on: device, in: mesh),
      keyOffset: key.offset(of: .sequence, on: device, in: mesh), causal: settings.causal,
      window: settings.window, scale: settings.scale)
  }

  func dropout(
    _ query: TensorType, _ site: DropoutSite, _ context: CallContext
  ) -> AttentionDropout? {
    guard program.dropout > 0 else { return nil }
    return AttentionDropout(
      generator: site.generator(seed: settings.seed, layer: context.layer, isAttention: true),
      probability: program.dropout, batchIndices: batchIndices(query, context),
      globalHeads: query.size(.heads), globalQuerySequence: program.sequence,
      globalKeySequence: program.sequence)
  }
}

extension TensorType {
  /// The whole size of a dimension; zero where the tensor has none of that name.
  fileprivate func size(_ dimension: Dimension) -> Int {
    index(of: dimension).map { sizes[$0] } ?? 0
  }
}

extension OperationKind {
  fileprivate var attentionSettings: AttentionSettings? {
    switch self {
    case .attentionScores(let settings), .attentionContext(let settings),
      .attentionContextGradientProbabilities(let settings),
      .attentionContextGradientValue(let settings), .attentionScoresGradientQuery(let settings),
      .attentionScoresGradientKey(let settings):
      settings
    default: nil
    }
  }
}

import Kernels
import PlanIR

extension KernelCompiler {
  func matmul(_ reads: [TensorType], _ write: TensorType, accumulate: Bool) -> CompiledKernel {
    let shape = MatmulShape(a: reads[0], b: reads[1], c: write)
    let (first, second) = shape.swapsOperands ? (1, 0) : (0, 1)
    return { operands, _ in
      MatmulKernels.multiply(
        operands.reads[first], operands.reads[second], into: operands.writes[0], m: shape.m,
        n: shape.n, k: shape.k, transposeA: shape.transposeA, transposeB: shape.transposeB,
        accumulate: accumulate)
    }
  }

  func embedding(
    _ kind: OperationKind, _ reads: [TensorType], _ write: TensorType, _ call: KernelCall
  ) -> CompiledKernel {
    let table = kind == .embedding ? reads[1] : write
    let accumulate = call.accumulate
    var offset = table.offset(of: .vocabulary, on: device, in: mesh)
    if let panel = call.panel, panel.dimension == .vocabulary {
      offset = table.localSize(.vocabulary) * panel.index
    }
    let (first, rows, columns) = (
      offset, table.localSize(.vocabulary), table.localSize(.hidden)
    )
    if kind == .embedding {
      return { operands, _ in
        EmbeddingKernels.lookup(
          ids: operands.reads[0], table: operands.reads[1], vocabularyOffset: first,
          localVocabulary: rows, columns: columns, into: operands.writes[0],
          accumulate: accumulate)
      }
    }
    return { operands, _ in
      if !accumulate { ElementwiseKernels.zero(operands.writes[0]) }
      EmbeddingKernels.scatterAdd(
        ids: operands.reads[0], gradient: operands.reads[1], vocabularyOffset: first,
        localVocabulary: rows, columns: columns, into: operands.writes[0])
    }
  }

  func elementwise(
    _ kind: OperationKind, _ reads: [TensorType], _ writes: [TensorType], _ accumulate: Bool
  ) -> CompiledKernel {
    switch kind {
    case .sumRows:
      let columns = writes[0].localCount
      let rows = reads[0].localCount / max(columns, 1)
      return { operands, _ in
        ElementwiseKernels.sumRows(
          operands.reads[0], rows: rows, columns: columns, into: operands.writes[0],
          accumulate: accumulate)
      }
    case .add where reads[0].dimensions != reads[1].dimensions:
      let block = reads[1].localCount
      return { operands, _ in
        ElementwiseKernels.addBlockBroadcast(
          operands.reads[0], operands.reads[1], blockSize: block, into: operands.writes[0])
      }
    default:
      return { operands, _ in
        ElementwiseKernels.add(operands.reads[0], operands.reads[1], into: operands.writes[0])
      }
    }
  }

  func norm(_ kind: OperationKind, _ reads: [TensorType], _ accumulate: Bool) -> CompiledKernel {
    let x = kind.isNormForward ? reads[0] : reads[1]
    let columns = x.localSizes.last ?? 1
    func shape(_ norm: NormKind, _ epsilon: Double) -> NormShape {
      NormShape(
        kind: norm, rows: x.localCount / max(columns, 1), columns: columns,
        globalColumns: x.sizes.last, epsilon: epsilon)
    }
    switch kind {
    case .normStatistics(let norm):
      let shape = shape(norm, 0)
      return {
        NormKernels.statistics($0.reads[0], shape: shape, into: $0.writes[0]); _ = $1
      }
    case .normApply(let norm, let epsilon):
      let shape = shape(norm, epsilon)
      return { operands, _ in
        NormKernels.apply(
          operands.reads[0], stats: operands.reads[1], gain: operands.reads[2],
          bias: operands.reads.count > 3 ? operands.reads[3] : nil, shape: shape,
          into: operands.writes[0])
      }
    case .normGradientStatistics(let norm, let epsilon):
      let shape = shape(norm, epsilon)
      return { operands, _ in
        NormKernels.gradientStatistics(
          operands.reads[0], x: operands.reads[1], stats: operands.reads[2],
          gain: operands.reads[3], shape: shape, into: operands.writes[0])
      }
    case .normGradientInput(let norm, let epsilon):
      let shape = shape(norm, epsilon)
      return { operands, _ in
        NormKernels.gradientInput(
          operands.reads[0], x: operands.reads[1], stats: operands.reads[2],
          dstats: operands.reads[3], gain: operands.reads[4], shape: shape,
          into: operands.writes[0], accumulate: accumulate)
      }
    case .normGradientGain(let norm, let epsilon):
      let shape = shape(norm, epsilon)
      return { operands, _ in
        NormKernels.gradientGain(
          operands.reads[0], x: operands.reads[1], stats: operands.reads[2], shape: shape,
          into: operands.writes[0], accumulate: accumulate)
      }
    default: preconditionFailure("\(kind.name) is no norm")
    }
  }

  func activation(_ kind: OperationKind) -> CompiledKernel {
    switch kind {
    case .activation(let function):
      { operands, _ in
        ActivationKernels.forward(function, operands.reads[0], into: operands.writes[0])
      }
    case .activationGradient(let function):
      { operands, _ in
        ActivationKernels.gradient(
          function, dy: operands.reads[0], x: operands.reads[1], into: operands.writes[0])
      }
    case .gatedActivation(let function):
      { operands, _ in
        ActivationKernels.gatedForward(
          function, gate: operands.reads[0], up: operands.reads[1], into: operands.writes[0])
      }
    case .gatedActivationGradient(let function):
      { operands, _ in
        ActivationKernels.gatedGradient(
          function, dy: operands.reads[0], gate: operands.reads[1], up: operands.reads[2],
          into: operands.writes[0], operands.writes[1])
      }
    default: preconditionFailure("\(kind.name) is no activation")
    }
  }

  func rotary(_ rotary: RotarySettings, _ x: TensorType, inverse: Bool) -> CompiledKernel {
    let local = x.localSizes
    let shape = RotaryShape(
      batch: local[0], heads: local[2], width: local[3],
      positions: program.positions(of: x, on: device))
    let frequencies = rotary.frequencies
    return { operands, _ in
      RotaryKernels.rotate(
        operands.reads[0], shape: shape, frequencies: frequencies,
        attentionFactor: rotary.attentionFactor, inverse: inverse, into: operands.writes[0])
    }
  }

  func softmax(_ kind: OperationKind, _ type: TensorType) -> CompiledKernel {
    let columns = type.localSizes.last ?? 1
    let rows = type.localCount / max(columns, 1)
    if kind == .softmax {
      return { operands, _ in
        UnfusedAttentionKernels.softmax(
          operands.reads[0], rows: rows, columns: columns, into: operands.writes[0])
      }
    }
    return { operands, _ in
      UnfusedAttentionKernels.softmaxGradient(
        dp: operands.reads[0], p: operands.reads[1], rows: rows, columns: columns,
        into: operands.writes[0])
    }
  }

  func dropout(_ kind: OperationKind, _ type: TensorType, site: DropoutSite) -> CompiledKernel {
    let probability = program.dropout
    guard kind == .dropout else {
      return { operands, _ in
        DropoutKernels.gradient(
          operands.reads[0], mask: operands.reads[1], probability: probability,
          into: operands.writes[0])
      }
    }
    var globalShape = type.sizes
    globalShape[0] = program.globalBatch
    let offsets = type.offsets(on: device, in: mesh)
    let (local, whole, seed) = (type.localSizes, globalShape, settings.seed)
    let positions = program.positions(of: type, on: device)
    return { operands, context in
      var index = DropoutIndex(
        localShape: local, globalShape: whole, offsets: offsets,
        batchIndices: batchIndices(type, context))
      index.listed = type.index(of: .sequence).map { ($0, positions) }
      DropoutKernels.forward(
        operands.reads[0], probability: probability,
        generator: site.generator(seed: seed, layer: context.layer, isAttention: false),
        index: index, into: operands.writes[0], mask: operands.writes[1])
    }
  }

  func crossEntropy(_ kind: OperationKind, _ reads: [TensorType]) -> CompiledKernel {
    let logits = reads[0]
    let columns = logits.index(of: .vocabulary) == nil ? 1 : logits.localSize(.vocabulary)
    let shard = VocabularyShard(
      rows: logits.localCount / max(columns, 1), localVocabulary: columns,
      vocabularyOffset: logits.offset(of: .vocabulary, on: device, in: mesh),
      validVocabulary: program.vocabulary)
    let scale = 1 / Double(max(batch.validLabels, 1))
    switch kind {
    case .rowMaximum:
      return { operands, _ in
        CrossEntropyKernels.rowMaximum(operands.reads[0], shard: shard, into: operands.writes[0])
      }
    case .exponentialSum:
      return { operands, _ in
        CrossEntropyKernels.exponentialSum(
          operands.reads[0], maximum: operands.reads[1], shard: shard, into: operands.writes[0])
      }
    case .pickLabel:
      return { operands, _ in
        CrossEntropyKernels.pickLabel(
          operands.reads[0], labels: operands.reads[1], shard: shard, into: operands.writes[0])
      }
    case .probabilities:
      return { operands, _ in
        CrossEntropyKernels.probabilities(
          operands.reads[0], maximum: operands.reads[1], exponentialSum: operands.reads[2],
          shard: shard, into: operands.writes[0])
      }
    case .tokenLoss:
      return { operands, _ in
        CrossEntropyKernels.loss(
          maximum: operands.reads[0], exponentialSum: operands.reads[1], pick: operands.reads[2],
          labels: operands.reads[3], scale: scale, into: operands.writes[0], accumulate: true)
      }
    default:
      return { operands, _ in
        CrossEntropyKernels.gradient(
          probabilities: operands.reads[0], labels: operands.reads[1], shard: shard,
          scale: scale, into: operands.writes[0])
      }
    }
  }

  func cotangent(_ kind: OperationKind) -> CompiledKernel {
    let scale = 1 / Double(program.globalBatch * program.sequence)
    if kind == .cotangentGradient {
      return { operands, _ in
        ElementwiseKernels.scaledCopy(
          operands.reads[0], factor: scale, into: operands.writes[0])
      }
    }
    return { operands, _ in
      let product = ElementwiseKernels.dotProduct(operands.reads[0], operands.reads[1])
      let loss = operands.writes[0]
      loss.store([loss.element(0) + scale * product], at: 0)
    }
  }
}

extension OperationKind {
  /// Whether the first operand of a norm's operation is its input rather than a gradient.
  fileprivate var isNormForward: Bool {
    switch self {
    case .normStatistics, .normApply: true
    default: false
    }
  }
}

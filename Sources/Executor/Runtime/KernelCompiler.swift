import Kernels
import PlanIR

/// What a kernel may depend on beside its operands: which layer, micro-batch and step runs it.
struct CallContext {
  var layer: Int
  var microBatch: Int
  var step: Int
}

/// A kernel call with all that is fixed worked out: operands go in, results come out.
typealias CompiledKernel = (_ operands: KernelOperands, _ context: CallContext) -> Void

/// The memory that one kernel call reads and writes, in the order of its operands.
struct KernelOperands {
  var reads: [TensorView]
  var writes: [TensorView]
}

/// Makes kernel calls of one device into functions over memory: local sizes and global offsets
/// follow from the types of their buffers and the device's coordinates.
struct KernelCompiler {
  let program: Program
  let device: Int
  let batch: HostBatch
  let settings: RunSettings

  var mesh: Mesh { program.mesh }

  func compile(_ call: KernelCall, in body: Body) throws(RunError) -> CompiledKernel {
    let reads = call.reads.map { body.buffers[$0].type }
    let writes = call.writes.map { body.buffers[$0].type }
    switch call.kind {
    case .operation(let kind):
      return try compile(kind, call, body, reads, writes)
    case .copy:
      let accumulate = call.accumulate
      return { operands, _ in
        accumulate
          ? ElementwiseKernels.add(operands.writes[0], operands.reads[0], into: operands.writes[0])
          : ElementwiseKernels.copy(operands.reads[0], into: operands.writes[0])
      }
    case .slice:
      return slice(reads[0], writes[0])
    case .panel(let panel):
      return take(panel, of: reads[0], into: writes[0])
    case .place(let panel, let owner, let axes):
      return place(panel, reads[0], into: writes[0], owner: owner, over: axes)
    case .attentionStep(let settings, let hop):
      return try attentionStep(settings, hop, call, in: body)
    case .attentionGradientStep(let settings, let hop):
      return try attentionGradientStep(settings, hop, call, in: body)
    case .load(let origin):
      return load(origin, writes[0])
    case .zero:
      return { operands, _ in ElementwiseKernels.zero(operands.writes[0]) }
    case .update(let optimizer):
      return update(optimizer)
    }
  }

  private func compile(
    _ kind: OperationKind, _ call: KernelCall, _ body: Body, _ reads: [TensorType],
    _ writes: [TensorType]
  ) throws(RunError) -> CompiledKernel {
    switch kind {
    case .matmul: return matmul(reads, writes[0], accumulate: call.accumulate)
    case .embedding, .embeddingGradient:
      return embedding(kind, reads, writes[0], call)
    case .add, .sumRows, .pass: return elementwise(kind, reads, writes, call.accumulate)
    case .normStatistics, .normApply, .normGradientStatistics, .normGradientInput,
      .normGradientGain:
      return norm(kind, reads, call.accumulate)
    case .activation, .activationGradient, .gatedActivation, .gatedActivationGradient:
      return activation(kind)
    case .rotary(let settings): return rotary(settings, reads[0], inverse: false)
    case .rotaryGradient(let settings): return rotary(settings, reads[0], inverse: true)
    case .attention, .attentionGradient, .attentionScores, .attentionContext,
      .attentionContextGradientProbabilities, .attentionContextGradientValue,
      .attentionScoresGradientQuery, .attentionScoresGradientKey:
      return try attention(kind, reads, writes, site: dropoutSite(call, body))
    case .softmax, .softmaxGradient: return softmax(kind, reads[0])
    case .dropout, .dropoutGradient:
      return dropout(kind, reads[0], site: dropoutSite(call, body))
    case .rowMaximum, .exponentialSum, .pickLabel, .probabilities, .tokenLoss, .logitsGradient:
      return crossEntropy(kind, reads)
    case .cotangentLoss, .cotangentGradient: return cotangent(kind)
    case .features: return load(.stream, writes[0])
    }
  }

  /// The stream of random draws of a dropout, but for the layer.
  func dropoutSite(_ call: KernelCall, _ body: Body) -> DropoutSite {
    let block = String(body.name.dropLast(body.phase.rawValue.count + 1))
    return DropoutSite(block: block, value: call.site)
  }

  /// The global sequence of each local row of a micro-batch's batch dimension: the data axis is
  /// major, so that a data rank's micro-batches are consecutive.
  func batchIndices(_ type: TensorType, _ context: CallContext) -> [Int] {
    let first = type.offset(of: .batch, on: device, in: mesh)
    let rows = type.localSize(.batch)
    let (size, count) = (program.microBatch, program.microBatches)
    return (first..<first + rows).map { row in
      row / size * size * count + context.microBatch * size + row % size
    }
  }

  // MARK: - Bookkeeping

  private func slice(_ source: TensorType, _ target: TensorType) -> CompiledKernel {
    if !target.sharding.chunks.isEmpty { return cut(target.chunk(on: device, in: mesh)) }
    let base = source.offsets(on: device, in: mesh)
    let wanted = target.offsets(on: device, in: mesh)
    let origin = BlockPlacement(
      shape: source.localSizes, offset: zip(wanted, base).map { $0 - $1 })
    let extent = target.localSizes
    return { operands, _ in
      CopyKernels.copyBlock(
        from: operands.reads[0], at: origin, into: operands.writes[0],
        at: BlockPlacement(shape: extent), extent: extent)
    }
  }

  private func take(
    _ panel: Panel, of whole: TensorType, into part: TensorType
  ) -> CompiledKernel {
    let (place, extent) = (placement(panel, in: whole), part.localSizes)
    return { operands, _ in
      CopyKernels.copyBlock(
        from: operands.reads[0], at: place, into: operands.writes[0],
        at: BlockPlacement(shape: extent), extent: extent)
    }
  }

  private func place(
    _ panel: Panel, _ part: TensorType, into whole: TensorType, owner: Int,
    over axes: [AxisReference]
  ) -> CompiledKernel {
    guard mesh.index(of: device, along: axes) == owner else { return { _, _ in } }
    let (place, extent) = (placement(panel, in: whole), part.localSizes)
    return { operands, _ in
      CopyKernels.copyBlock(
        from: operands.reads[0], at: BlockPlacement(shape: extent), into: operands.writes[0],
        at: place, extent: extent)
    }
  }

  /// Where a panel stands in a device's part of `whole`.
  private func placement(_ panel: Panel, in whole: TensorType) -> BlockPlacement {
    var offset = whole.localSizes.map { _ in 0 }
    if let index = whole.index(of: panel.dimension) {
      offset[index] = whole.localSizes[index] / panel.count * panel.index
    }
    return BlockPlacement(shape: whole.localSizes, offset: offset)
  }

  /// The elements `chunk` of a flattened part.
  private func cut(_ chunk: Range<Int>) -> CompiledKernel {
    { operands, _ in
      let whole = operands.reads[0]
      CopyKernels.copyBlock(
        from: whole, at: BlockPlacement(shape: [whole.count], offset: [chunk.lowerBound]),
        into: operands.writes[0], at: BlockPlacement(shape: [chunk.count]), extent: [chunk.count])
    }
  }

  private func load(_ origin: GraphValue.Origin, _ type: TensorType) -> CompiledKernel {
    let offsets = type.offsets(on: device, in: mesh)
    let local = type.localSizes
    let positions = program.positions(of: type, on: device)
    return { operands, context in
      let inner = local[2...].reduce(1, *)
      let columns = type.sizes[2...].reduce(1, *)
      for (row, global) in batchIndices(type, context).enumerated() {
        for (line, position) in positions.enumerated() {
          let place = (row * local[1] + line) * inner
          let from = (global * type.sizes[1] + position) * columns
          switch origin {
          case .tokens: operands.writes[0].store([batch.tokens[from]], at: place)
          case .labels: operands.writes[0].store([batch.labels[from]], at: place)
          case .cotangent:
            let start = from + offsets[2]
            operands.writes[0].store(batch.cotangent?[start..<start + inner] ?? [], at: place)
          default:
            let start = from + offsets[2]
            operands.writes[0].store(batch.features?[start..<start + inner] ?? [], at: place)
          }
        }
      }
    }
  }

  private func update(_ optimizer: Optimizer) -> CompiledKernel {
    let rate = settings.learningRate
    let moments = optimizer.momentCount
    return { operands, context in
      let master = operands.writes.count > moments + 1 ? 1 : 0
      let (gradient, weight) = (operands.reads[0], operands.writes[master])
      switch optimizer {
      case .sgd:
        OptimizerKernels.sgd(weight: weight, gradient: gradient, learningRate: rate)
      case .adamw:
        OptimizerKernels.adamw(
          weight: weight, gradient: gradient, firstMoment: operands.writes[master + 1],
          secondMoment: operands.writes[master + 2], step: context.step + 1,
          settings: AdamWSettings(learningRate: rate))
      }
      if master == 1 { ElementwiseKernels.copy(weight, into: operands.writes[0]) }
    }
  }
}

/// Names the random draws of a dropout.
struct DropoutSite {
  var block: String
  var value: String

  /// The generator for a layer; the fused attention's site is the one its parts would use.
  func generator(seed: UInt64, layer: Int, isAttention: Bool) -> CounterGenerator {
    let name = isAttention ? value + ".dropped" : value
    return CounterGenerator(seed: seed, name: "dropout/\(block)/\(layer)/\(name)")
  }
}

extension TensorView {
  /// Writes values, converted to the view's type, from element `place` on.
  func store<Values: Sequence<Double>>(_ values: Values, at place: Int) {
    switch dtype {
    case .float64:
      let target = base.assumingMemoryBound(to: Double.self) + place
      for (step, value) in values.enumerated() { target[step] = value }
    default:
      let target = base.assumingMemoryBound(to: Float.self) + place
      for (step, value) in values.enumerated() { target[step] = Float(value) }
    }
  }

  /// Writes identifiers from element `place` on.
  func store(_ values: [Int64], at place: Int) {
    let target = base.assumingMemoryBound(to: Int64.self) + place
    for (step, value) in values.enumerated() { target[step] = value }
  }

  /// Element `place` as a double.
  func element(_ place: Int) -> Double {
    switch dtype {
    case .float64: base.assumingMemoryBound(to: Double.self)[place]
    default: Double(base.assumingMemoryBound(to: Float.self)[place])
    }
  }
}

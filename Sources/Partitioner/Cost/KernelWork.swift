package import PlanIR

/// What one kernel call must do: operations of the arithmetic units, bytes to and from memory.
package struct KernelWork: Hashable, Sendable {
  package var flops: Int
  package var bytes: Int
  /// The product, of a kernel that is one.
  package var matmul: MatmulShape?
  /// What else it is, to look its time up; nil of products.
  var kernel: TimedKernel?
  /// The elements that ``bytes`` are of.
  var elements = 0
  /// What decides its price beside these.
  package var traits: KernelTraits

  init(
    flops: Int, bytes: Int, matmul: MatmulShape?, kernel: TimedKernel? = nil, traits: KernelTraits
  ) {
    self.flops = flops
    self.bytes = bytes
    self.matmul = matmul
    self.kernel = kernel
    self.traits = traits
  }

  /// The work of `call` in `body` at the planned widths of `precision`.
  package init(_ call: KernelCall, in body: Body, precision: Precision) {
    let form = KernelForm(call, in: body, precision: precision, sizes: .local)
    let sizes = InstanceSizes(batch: 1, vocabulary: 1, parts: [])
    self.init(form.map { $0.value(sizes) })
  }

  /// The work of a kernel whose sizes are known.
  init(_ form: KernelForm<Int>) {
    traits = form.traits
    bytes = form.bytes.reduce(0) { $0 + $1.size * $1.width }
    elements = form.bytes.reduce(0) { $0 + $1.size }
    kernel = form.kernel
    switch form.flops {
    case .none: flops = 0
    case .count(let count): flops = count
    case .product(let operands, let m, let n, let k):
      let shape = MatmulShape(operands, m: m, n: n, k: k)
      (flops, matmul) = (shape.flops, shape)
    }
  }
}

/// What decides a kernel's price beside sizes: the same for all sizes of a template.
package struct KernelTraits: Hashable, Sendable {
  package var family: KernelFamily
  /// Of a product, of what whole one it is a panel.
  package var panels = ProductPanels.whole
  /// Of a kernel that is fused attention.
  package var attention: AttentionWork?
}

/// The work of a kernel call in terms of sizes of some kind.
struct KernelForm<Size> {
  let flops: Flops
  /// Elements touched, and bytes of each.
  let bytes: [(size: Size, width: Int)]
  /// How many of these, the last, a product touches to be added to what is there.
  var added = 0
  /// What it is, unless it is a product.
  var kernel: TimedKernel?
  let traits: KernelTraits

  enum Flops {
    case none
    case count(Size)
    case product(MatmulOperands, m: Size, n: Size, k: Size)
  }

  /// The same work in other terms.
  func map<Other>(_ change: (Size) -> Other) -> KernelForm<Other> {
    let flops: KernelForm<Other>.Flops =
      switch self.flops {
      case .none: .none
      case .count(let count): .count(change(count))
      case .product(let operands, let m, let n, let k):
        .product(operands, m: change(m), n: change(n), k: change(k))
      }
    return KernelForm<Other>(
      flops: flops, bytes: bytes.map { (change($0.size), $0.width) }, added: added,
      kernel: kernel, traits: traits)
  }
}

extension KernelForm<SizeTerm> {
  /// The work of `call` in `body` at the planned widths of `precision`, sizes read by `sizes`.
  init(_ call: KernelCall, in body: Body, precision: Precision, sizes: SizeReader) {
    self.init(call, in: body, precision: precision, sizes: sizes) {
      sizes.count(body.buffers[$0].type)
    }
  }

  /// The same where `count` tells what one device holds of a buffer.
  init(
    _ call: KernelCall, in body: Body, precision: Precision, sizes: SizeReader,
    count: (BufferID) -> SizeTerm
  ) {
    var bytes: [(size: SizeTerm, width: Int)] = []
    func touch(_ buffers: [BufferID]) {
      for buffer in buffers {
        bytes.append(
          (count(buffer), precision.bytes(of: body.buffers[buffer].type.width)))
      }
    }
    touch(call.reads)
    touch(call.writes)
    if call.accumulate { touch(call.writes) }
    var (flops, added) = (Flops.none, 0)
    var kernel: TimedKernel? = TimedKernel(call)
    var traits = KernelTraits(family: KernelFamily(call, in: body))
    // Most kernels are told by what they touch alone.
    lazy var types = call.reads.map { body.buffers[$0].type }
    if let count = Self.stepFlops(call.kind, types, sizes) { flops = .count(count) }
    if case .operation(let kind) = call.kind {
      switch kind {
      case .matmul:
        kernel = nil
        added = call.accumulate ? call.writes.count : 0
        let operands = MatmulOperands(
          a: types[0], b: types[1], c: body.buffers[call.writes[0]].type)
        flops = .product(
          operands, m: sizes.term(operands.first) { !operands.isContracted($0) },
          n: sizes.term(operands.second) { !operands.isContracted($0) },
          k: sizes.term(operands.first, where: operands.isContracted))
        traits.panels = ProductPanels(operands, call.panel)
      case .embedding, .embeddingGradient:
        bytes = Self.lookupBytes(call, body, precision, sizes)
      default:
        if let count = Self.attentionFlops(
          kind, types + call.writes.map { body.buffers[$0].type }, sizes)
        {
          flops = .count(count)
        }
      }
    }
    traits.attention = AttentionWork(call.kind, types)
    self.init(flops: flops, bytes: bytes, added: added, kernel: kernel, traits: traits)
  }

  /// A lookup touches the rows it reads, not the table.
  private static func lookupBytes(
    _ call: KernelCall, _ body: Body, _ precision: Precision, _ sizes: SizeReader
  ) -> [(size: SizeTerm, width: Int)] {
    let rows = sizes.count(body.buffers[call.reads[0]].type)
    let table = body.buffers[call.reads[1]].type
    let width = 3 * precision.bytes(of: body.buffers[call.writes[0]].type.width)
    let panels = call.panel.map { $0.dimension == .vocabulary ? $0.count : 1 } ?? 1
    guard panels > 1 else {
      let columns = sizes.term(table) { $0 == .hidden }
      return [(rows, 8), (rows.times(columns), width)]
    }
    return [(rows, 8 + width * table.localSize(.hidden) / panels)]
  }

  /// Those of attention, of the queries and keys at hand: of a sequence in zigzag order a causal mask
  /// removes half in every step, and of what a window leaves each step is given its share. A ring's length is known,
  /// and with it the keys'.
  private static func stepFlops(
    _ kind: KernelKind, _ operands: @autoclosure () -> [TensorType], _ sizes: SizeReader
  ) -> SizeTerm? {
    let products: Int
    let settings: AttentionSettings
    switch kind {
    case .attentionStep(let given, _): (products, settings) = (2, given)
    case .attentionGradientStep(let given, _): (products, settings) = (5, given)
    default: return nil
    }
    let types = operands()
    guard let queries = types.first(where: { $0.dimensions.contains(.heads) }),
      let keys = types.first(where: { $0.dimensions.contains(.keyValueHeads) })
    else { return nil }
    var rows = sizes.count(queries)
    let part = settings.seenPart(of: keys.sizes[keys.index(of: .sequence) ?? 0])
    rows.constant *= part.of(products * 2 * keys.localSize(.sequence))
    return rows
  }

  /// Products of queries, keys and values: two forward, and backward four. Fused they leave out what the mask removes,
  /// and backward computes the scores again, so five (Dao, arXiv 2205.14135, section 3); apart they compute all.
  private static func attentionFlops(
    _ kind: OperationKind, _ operands: @autoclosure () -> [TensorType], _ sizes: SizeReader
  ) -> SizeTerm? {
    let products: Int
    var fused: AttentionSettings?
    switch kind {
    case .attention(let given): (products, fused) = (2, given)
    case .attentionGradient(let given): (products, fused) = (5, given)
    case .attentionScores, .attentionContext, .attentionContextGradientProbabilities,
      .attentionContextGradientValue, .attentionScoresGradientQuery,
      .attentionScoresGradientKey:
      products = 1
    default: return nil
    }
    let types = operands()
    let told: Dimension = fused == nil ? .keySequence : .headWidth
    guard let queries = types.first(where: { $0.dimensions.contains(told) }) else { return nil }
    var rows = sizes.term(queries) { [.batch, .sequence, .heads].contains($0) }
    let keys = queries.sizes[queries.index(of: .sequence) ?? 0]
    let all = products * 2 * keys
    rows.constant *= fused.map { $0.seenPart(of: keys).of(all) } ?? all
    guard let width = types.first(where: { $0.dimensions.contains(.headWidth) }) else {
      return rows
    }
    return rows.times(sizes.term(width) { $0 == .headWidth })
  }
}

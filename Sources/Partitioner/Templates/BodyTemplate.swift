import PlanIR

/// A body with sizes left open: what it computes, sends and allocates, in terms of its group.
struct BodyTemplate {
  private let phase: Phase
  private var kernels: [Kernel] = []
  /// What kernels touch: for each a range of these.
  private var touched: [(term: Int, width: Int)] = []
  private(set) var uses: [Use] = []
  /// The weights that it reads as they are stored.
  private(set) var weights: [StoredWeight] = []
  /// Allocations, and, with negative widths, frees, in order.
  private var events: [(term: Int, width: Int)] = []

  /// A kernel in terms of places of sizes.
  private struct Kernel {
    let touched: Range<Int>
    /// How many of these, the last, a product touches to be added to what is there.
    let added: Int
    let flops: Int?
    /// Its sizes are places.
    let matmul: MatmulShape?
    let name: TimedKernel?
    let traits: KernelTraits
    var count = 1
  }

  /// A collective: over which of the group's axes, on how much.
  struct Use {
    let pattern: CollectiveUse.Pattern
    let group, term, width: Int
    /// Whether replicas exchange shards of parameters so.
    let isOfShards: Bool
    var count: Int
  }

  /// A weight as it is stored: the axes that split it, by the places of their parts, and how much of it one device has.
  struct StoredWeight {
    let split: [[Int]]
    let term, width: Int
  }

  /// Takes `body` apart; what it is made of goes to `builder`.
  init(_ body: Body, _ builder: inout TemplateBuilder) {
    phase = body.phase
    let sizes = builder.sizes(of: body)
    for (buffer, size) in zip(body.buffers, sizes) {
      guard case .parameter(.weight, _)? = buffer.stored, !phase.isOnceAStep else { continue }
      weights.append(
        StoredWeight(
          split: builder.places(of: buffer.type.sharding.axes), term: size.place,
          width: size.width))
    }
    for instruction in body.instructions {
      switch instruction {
      case .allocate(let buffer):
        events.append((sizes[buffer].place, sizes[buffer].width))
      case .free(let buffer):
        events.append((sizes[buffer].place, -sizes[buffer].width))
      case .kernel(let call):
        add(builder.form(call, body, sizes))
      case .start(_, let collective, let axes, let from, let into):
        let type = collective.wholeType(body.buffers[from].type, body.buffers[into].type)
        add(collective.pattern(in: body.phase), axes, type, &builder)
      case .receive(let buffer, let message):
        add(.send, [message.axis], body.buffers[buffer].type, &builder)
      case .await, .send, .settle:
        break
      }
    }
  }

  /// Adds a collective, or one more that is equal to another.
  private mutating func add(
    _ pattern: CollectiveUse.Pattern, _ axes: [AxisReference], _ type: TensorType,
    _ builder: inout TemplateBuilder
  ) {
    let use = Use(
      pattern: pattern, group: builder.group(axes), term: builder.count(type),
      width: builder.precision.bytes(of: type.width),
      isOfShards: phase.exchangesShards(type, over: axes, builder.mesh), count: 1)
    let known = uses.firstIndex { other in
      other.term == use.term && other.group == use.group && other.pattern == use.pattern
        && other.width == use.width && other.isOfShards == use.isOfShards
    }
    if let known {
      uses[known].count += 1
    } else {
      uses.append(use)
    }
  }

  /// Adds a kernel, or one more of equal work in the same sizes.
  private mutating func add(_ form: KernelForm<Int>) {
    if let known = kernels.firstIndex(where: { isSame($0, form) }) {
      kernels[known].count += 1
    } else {
      append(form)
    }
  }

  private func isSame(_ kernel: Kernel, _ form: KernelForm<Int>) -> Bool {
    guard kernel.name == form.kernel, kernel.touched.count == form.bytes.count,
      kernel.added == form.added,
      zip(touched[kernel.touched], form.bytes).allSatisfy({ $0 == $1 }),
      kernel.traits == form.traits
    else { return false }
    switch form.flops {
    case .none: return kernel.flops == nil && kernel.matmul == nil
    case .count(let count): return kernel.flops == count && kernel.matmul == nil
    case .product(let operands, let m, let n, let k):
      return kernel.matmul == MatmulShape(operands, m: m, n: n, k: k)
    }
  }

  private mutating func append(_ form: KernelForm<Int>) {
    let start = touched.count
    touched += form.bytes.map { ($0.size, $0.width) }
    var (flops, matmul): (Int?, MatmulShape?)
    switch form.flops {
    case .none: break
    case .count(let count): flops = count
    case .product(let operands, let m, let n, let k):
      matmul = MatmulShape(operands, m: m, n: n, k: k)
    }
    kernels.append(
      Kernel(
        touched: start..<touched.count, added: form.added, flops: flops, matmul: matmul,
        name: form.kernel, traits: form.traits))
  }

  /// The time of its kernels, where `values` are the group's sizes.
  func kernels(_ values: [Int], _ cost: ClusterCost) -> Picoseconds {
    var time = Picoseconds.zero
    var launches = 0
    for kernel in kernels {
      launches += cost.launches(of: kernel.traits.family) * kernel.count
      time += cost.time(of: work(of: kernel, values)) * kernel.count
    }
    return max(time, cost.time(ofLaunches: launches, in: phase))
  }

  /// The time of its kernels but those that copy, add up or update.
  func operations(_ values: [Int], _ cost: ClusterCost) -> Picoseconds {
    kernels.reduce(.zero) { sum, kernel in
      guard !kernel.traits.family.dependsOnStorage else { return sum }
      return sum + cost.time(of: work(of: kernel, values)) * kernel.count
    }
  }

  private func work(
    of kernel: Kernel, _ values: [Int], added: Bool = true
  ) -> KernelWork {
    var work = KernelWork(
      flops: kernel.flops.map { values[$0] } ?? 0, bytes: 0, matmul: nil, kernel: kernel.name,
      traits: kernel.traits)
    for place in added ? kernel.touched : kernel.touched.dropLast(kernel.added) {
      work.bytes += values[touched[place].term] * touched[place].width
      work.elements += values[touched[place].term]
    }
    if var shape = kernel.matmul {
      (shape.m, shape.n, shape.k) = (values[shape.m], values[shape.n], values[shape.k])
      (work.flops, work.matmul) = (shape.flops, shape)
    }
    return work
  }

  /// The time of its products if none were added to what is there, or what it takes to launch them.
  func products(_ values: [Int], _ cost: ClusterCost) -> Picoseconds {
    var time = Picoseconds.zero
    var launches = 0
    for kernel in kernels where kernel.matmul != nil {
      time += cost.time(of: work(of: kernel, values, added: false)) * kernel.count
      launches += cost.launches(of: kernel.traits.family) * kernel.count
    }
    return max(time, cost.time(ofLaunches: launches, in: phase))
  }

  /// Seconds that its kernels take at least for what `more` has above `values`, products at full speed; and
  /// what it takes to launch them.
  func least(
    of values: [Int], _ more: [Int], _ cost: ClusterCost
  ) -> (seconds: Double, launches: Picoseconds) {
    let time = kernels.reduce(Picoseconds.zero) { $0 + least($1, values, more, cost) }
    let launches = kernels.reduce(0) {
      $0 + cost.launches(of: $1.traits.family) * $1.count
    }
    return (time.seconds, cost.time(ofLaunches: launches, in: phase))
  }

  /// Seconds of its kernels but those that copy, add up or update.
  func leastOfOperations(_ values: [Int], _ more: [Int], _ cost: ClusterCost) -> Double {
    kernels.filter { !$0.traits.family.dependsOnStorage }
      .reduce(Picoseconds.zero) { $0 + least($1, values, more, cost) }.seconds
  }

  /// What a kernel takes at least for what `more` has above `values`, a product at full speed.
  private func least(
    _ kernel: Kernel, _ values: [Int], _ more: [Int], _ cost: ClusterCost
  ) -> Picoseconds {
    if var shape = kernel.matmul {
      (shape.m, shape.n, shape.k) = (values[shape.m], values[shape.n], values[shape.k])
      return cost.leastTime(of: shape) * kernel.count
    }
    var work = KernelWork(flops: 0, bytes: 0, matmul: nil, traits: kernel.traits)
    let launching = cost.time(of: work)
    for place in kernel.touched {
      let (term, width) = touched[place]
      work.bytes += (more[term] - values[term]) * width
    }
    return (cost.time(of: work) - launching) * kernel.count
  }

  /// Adds what it sends of a micro-batch, by placement, of which `routes` are what its group's devices meet.
  func addSent(
    _ values: [Int], _ routes: PlacedRoutes, _ cost: ClusterCost, to times: inout [BodyTime]
  ) {
    for use in uses {
      let ofShards = use.isOfShards && cost.overlapsGradients
      routes.eachTime(
        use.group, use.pattern, bytes: values[use.term] * use.width, width: use.width
      ) { times[$0].add($1 * use.count, ofShards: ofShards) }
    }
  }

  /// Adds what it sends once a step, by placement.
  func addOnce(
    _ values: [Int], _ routes: PlacedRoutes, _ cost: ClusterCost, to sums: inout [OnceBound]
  ) {
    for use in uses {
      routes.eachTime(
        use.group, use.pattern, bytes: values[use.term] * use.width, width: use.width
      ) { sums[$0].add($1 * use.count, use.pattern, cost) }
    }
  }

  /// What it holds at its fullest instant above what was held before, and afterwards.
  func memory(_ values: [Int]) -> (peak: Int, change: Int) {
    var (peak, held) = (0, 0)
    for (term, width) in events {
      held += values[term] * width
      if held > peak { peak = held }
    }
    return (peak, held)
  }
}

extension KernelFamily {
  /// Whether there are more or fewer such kernels where values are stored otherwise, in this block or its
  /// neighbours.
  fileprivate var dependsOnStorage: Bool {
    switch self {
    case .copy, .add, .sumRows, .bias, .update: true
    default: false
    }
  }
}

/// What templates of a group's bodies are made of: sizes, and axes over which they communicate.
struct TemplateBuilder {
  let precision: Precision
  let mesh: Mesh
  private(set) var terms = TermTable()
  /// Axes lists by the places of their parts.
  private(set) var groups: [[[Int]]] = []
  private let parts: AxisParts
  private let reader: SizeReader

  init(_ context: LoweringContext, _ parts: AxisParts) {
    precision = context.workload.precision
    mesh = context.mesh
    self.parts = parts
    reader = .parts(parts, vocabulary: context.sizes[.vocabulary])
  }

  mutating func count(_ type: TensorType) -> Int {
    terms.place(of: reader.count(type))
  }

  /// `axes`, each by the places of its parts.
  func places(of axes: [AxisReference]) -> [[Int]] { axes.map { parts.places(of: [$0]) } }

  mutating func group(_ axes: [AxisReference]) -> Int {
    let group = places(of: axes)
    if let place = groups.firstIndex(of: group) { return place }
    groups.append(group)
    return groups.count - 1
  }

  /// What one device holds of a buffer: elements, their place among all terms, and bytes of each.
  struct BufferSize {
    let term: SizeTerm
    let place, width: Int
  }

  /// What one device holds of each of a body's buffers.
  mutating func sizes(of body: Body) -> [BufferSize] {
    var sizes: [BufferSize] = []
    sizes.reserveCapacity(body.buffers.count)
    for buffer in body.buffers {
      let term = reader.count(buffer.type)
      sizes.append(
        BufferSize(
          term: term, place: terms.place(of: term),
          width: precision.bytes(of: buffer.type.width)))
    }
    return sizes
  }

  /// The work of `call`, whose body's buffers have `sizes`.
  mutating func form(
    _ call: KernelCall, _ body: Body, _ sizes: [BufferSize]
  ) -> KernelForm<Int> {
    let form = KernelForm(call, in: body, precision: precision, sizes: reader) { sizes[$0].term }
    return form.map { terms.place(of: $0) }
  }
}

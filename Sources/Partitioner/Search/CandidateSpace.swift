import PlanIR

/// The families of candidates that the pins leave, in a fixed order.
///
/// Where points coincide they are one, named as pinned: shapes that are another layout's, sequence
/// parallelism that splits nothing, key/value heads that are never copied, weights sharded over axes
/// of one. What is gathered, tables, micro-batches and placement are left to ``FamilySearch``.
struct CandidateSpace {
  let request: SearchRequest
  private(set) var violations: [ConstraintViolation] = []

  init(_ request: SearchRequest) { self.request = request }

  private var pins: Pins { request.pins }

  /// The families; what stands in the way of each that is excluded goes to ``violations``.
  mutating func families() -> [Family] {
    violations += PinRules.unbuilt(pins)
    if pins.layout == .mixed && request.training.isAnnotated {
      violations.append(
        ConstraintViolation(
          constraint: "mixtures for a model with written shardings are not built in this version",
          found: "layout mixed", needed: "one layout", remedy: "no --layout, or no shardings"))
    }
    let context = pins.context ?? 1
    let recomputes = (pins.recompute ?? .none) != .none
    if pins.layout == .mixed && (stageCounts != [1] || context > 1 || recomputes) {
      violations.append(
        ConstraintViolation(
          constraint:
            "mixtures over stages or context, or with recomputation, are not searched in this version",
          found: "layout mixed with one of them", needed: "one layout, or none of them",
          remedy: "no --layout mixed, or --pipeline 1, --context 1 and --recompute none"))
    }
    if pins.recompute == .selective && request.training.workload.attention == .fused {
      violations.append(.selectiveOfFused)
    }
    guard violations.isEmpty, pinsMultiply() else { return [] }
    var result: [Family] = []
    for stages in stageCounts where request.devices % (stages * context) == 0 {
      let devices = request.devices / stages / context
      for tensor in divisors(of: devices) where pins.tensor.map({ $0 == tensor }) ?? true {
        let data = devices / tensor
        guard pins.data.map({ $0 == data }) ?? true else { continue }
        guard let microBatches = microBatches(data: data) else { continue }
        for shape in shapes(tensor: tensor) {
          result += families(shape, data: data, stages: stages, microBatches)
        }
      }
    }
    if result.isEmpty && violations.isEmpty { violations.append(nothingDivides()) }
    return result
  }

  /// Numbers of pipeline stages: as pinned, one where nothing of pipelines is, any where a schedule is.
  private var stageCounts: [Int] {
    if let pinned = pins.pipeline { return [pinned] }
    let wantsStages = (pins.schedule ?? .none) != .none || (pins.interleave ?? 1) > 1
    return wantsStages ? divisors(of: request.devices).filter { $0 > 1 } : [1]
  }

  private mutating func pinsMultiply() -> Bool {
    let mesh = pins.mesh?.reduce(1, *)
    let tensor = pins.tensor ?? mesh ?? 1
    let data = pins.data ?? 1
    let stages = pins.pipeline ?? 1
    let context = pins.context ?? 1
    let isWhole =
      (pins.tensor ?? mesh) != nil && pins.data != nil && (stageCounts == [1] || stages > 1)
    let product = tensor * data * stages * context
    if isWhole ? product == request.devices : request.devices % product == 0 { return true }
    violations.append(
      ConstraintViolation(
        constraint: "data x pipeline x context x tensor mesh = devices",
        found: stages * context > 1
          ? "\(data) x \(stages) x \(context) x \(tensor) = \(product)"
          : "\(data) x \(tensor) = \(product)",
        needed: isWhole ? "\(request.devices)" : "a divisor of \(request.devices)",
        remedy: "--devices \(product * max(1, request.devices / max(product, 1)))"))
    return false
  }

  private mutating func microBatches(data: Int) -> [Int]? {
    let batch = request.training.workload.globalBatch
    guard batch % data == 0 else {
      let below = batch / data * data
      let nearest = below > 0 ? "\(below) or \(below + data)" : "\(data)"
      violations.append(
        ConstraintViolation(
          constraint: "global batch divisible by data", found: "\(batch) over data \(data)",
          needed: "\(batch) % \(data) == 0", remedy: "--global-batch \(nearest)"))
      return nil
    }
    let sizes = divisors(of: batch / data)
      .filter { size in pins.microBatch.map { $0 == size } ?? true }
    if sizes.isEmpty, let pinned = pins.microBatch {
      violations.append(
        ConstraintViolation(
          constraint: "global batch = data x micro_batch x micro_batches",
          found: "\(batch) = \(data) x \(pinned) x ?", needed: "\(batch / data) % \(pinned) == 0",
          remedy: "--micro-batch \(divisors(of: batch / data).last { $0 <= pinned } ?? 1)"))
      return nil
    }
    return sizes
  }

  /// The shapes of a tensor mesh of `tensor` devices that the pins leave: of mixtures too, in which
  /// one block's layout may have what another's lacks.
  func shapes(tensor: Int) -> [LayoutShape] {
    if let mesh = pins.mesh, mesh.reduce(1, *) != tensor { return [] }
    let isPinned = pins.layout != nil && pins.layout != .mixed
    // Pinned sequence parallelism is kept where there is nothing to split, too.
    let keepsMegatron = pins.sequenceParallel == true
    return LayoutCatalog.all.filter { !isPinned || $0.name == pins.layout }
      .flatMap { LayoutShape.all($0, devices: tensor) }
      .filter { shape in
        let isOwn = !shape.coincides || (keepsMegatron && shape.layout == .megatron)
        return pins.mesh.map { $0 == shape.degrees } ?? true && (isPinned || isOwn)
      }
  }

  // MARK: - Families of a shape

  private func families(
    _ shape: LayoutShape, data: Int, stages: Int, _ microBatches: [Int]
  ) -> [Family] {
    guard let layout = LayoutCatalog.all.first(where: { $0.name == shape.layout }),
      let axes = try? layout.axes(for: shape.degrees)
    else { return [] }
    let outer = [
      MeshAxis("data", data), MeshAxis("pipeline", stages),
      MeshAxis("context", pins.context ?? 1),
    ]
    let mesh = Mesh(outer + axes)
    var choices = PlanChoices(
      layout: shape.layout,
      blocks: Dictionary(uniqueKeysWithValues: BlockClass.allCases.map { ($0, shape.layout) }),
      mesh: mesh, placement: [], sequenceParallel: false, gathersInputs: .saved,
      keyValue: .copied, microBatch: 0, microBatches: 0, layers: request.training.model.layers)
    if stages > 1 && request.training.isTied { choices.tableGradients = .apart }
    let counts = StageMap.even(layers: request.training.model.layers, stages: stages)
    choices.recompute = pins.recompute ?? .none
    choices.stages = counts.map { StageChoice(layers: $0, choices.recompute) }
    var result: [Family] = []
    for (schedule, interleave) in orders(stages: stages) {
      (choices.schedule, choices.interleave) = (schedule, interleave)
      for attention in contextAttentions {
        choices.contextAttention = attention
        result += families(shape, layout, choices, microBatches)
      }
    }
    return result
  }

  /// Forms of attention over the context axis: as pinned, a ring beside all-to-all where there is
  /// fused attention over several devices.
  private var contextAttentions: [ContextAttention] {
    if let pinned = pins.contextAttention { return [pinned] }
    let mayBeRing = (pins.context ?? 1) > 1 && request.training.hasFusedAttention
    return mayBeRing ? ContextAttention.allCases : [.allToAll]
  }

  /// Schedules with chunks a stage: as pinned, else those of which none needs more memory and time
  /// than another.
  private func orders(stages: Int) -> [(PipelineSchedule, interleave: Int)] {
    guard stages > 1 else { return [(.none, 1)] }
    let isInterleaved = (pins.interleave ?? 1) > 1
    let schedules =
      pins.schedule.map { [$0] }
      ?? (isInterleaved ? [.interleaved] : [.oneForwardOneBackward, .zeroBubble])
    return schedules.flatMap { schedule -> [(PipelineSchedule, interleave: Int)] in
      guard schedule == .interleaved else { return [(schedule, pins.interleave ?? 1)] }
      if let pinned = pins.interleave { return [(schedule, pinned)] }
      let most = request.training.model.layers / stages
      let chunks = most < 2 ? [2] : Array(2...most)
      return chunks.map { (schedule, $0) }
    }
  }

  private func families(
    _ shape: LayoutShape, _ layout: any Layout, _ choices: PlanChoices, _ microBatches: [Int]
  ) -> [Family] {
    var choices = choices
    let mesh = choices.mesh
    var result: [Family] = []
    for (over, zero) in shards(layout, mesh) {
      (choices.weightsOver, choices.zero) = (over, zero)
      for matmul in schedules(layout, shape) {
        choices.matmul = matmul
        for (parallel, form) in splits(layout, choices) {
          (choices.sequenceParallel, choices.keyValue) = (parallel, form)
          result.append(Family(choices: choices, shape: shape, microBatches: microBatches))
        }
      }
    }
    return result
  }

  /// Sets of axes over which weights may be sharded, each with what is sharded over data: beside whole
  /// weights, unless pinned, optimizer state or nothing. ZeRO 2 takes as long as 1 or longer, but for
  /// what kernels read and write of gradients, and doubles what is lowered.
  private func shards(_ layout: any Layout, _ mesh: Mesh) -> [(over: [String], zero: Int)] {
    weightsOver(layout, mesh).flatMap { over -> [(over: [String], zero: Int)] in
      if let pinned = pins.zero { return [(over, pinned)] }
      if over.contains("data") { return [(over, 3)] }
      let isOpen = over.isEmpty && mesh.axis("data") != nil
      return (isOpen ? [0, 1] : [0]).map { (over, $0) }
    }
  }

  /// Sets of axes over which weights may be sharded beside their own. A pinned layout is taken as it
  /// is known, with weights copied over the axes that it copies them over, unless zero 3 is pinned.
  private func weightsOver(_ layout: any Layout, _ mesh: Mesh) -> [[String]] {
    var sets: [[String]] = [[]]
    if mesh.axis("data") != nil {
      switch pins.zero {
      case nil: sets.append(["data"])
      case 3: sets = [["data"]]
      default: break
      }
    }
    let isOpen = pins.zero == 3 || (pins.zero == nil && pins.layout == nil)
    for name in layout.copyAxes where mesh.axis(name) != nil && isOpen {
      sets += sets.map { $0 + [name] }
    }
    return sets
  }

  private func schedules(_ layout: any Layout, _ shape: LayoutShape) -> [MatmulSchedule] {
    let hasPanels = layout.hasPanels && shape.degrees[0] * shape.degrees[1] > 1
    if let pinned = pins.matmul { return pinned == .gathered || hasPanels ? [pinned] : [] }
    let panels =
      hasPanels ? leastCommonMultiple(shape.degrees[0], shape.degrees[1]) : 1
    return hasPanels && panels <= Self.mostPanels ? MatmulSchedule.allCases : [.gathered]
  }

  /// Panels of the longest loops that are searched unless stepped matmuls are pinned: beyond, latency
  /// is most of a loop's time.
  private static let mostPanels = 32

  /// Sequence parallelism and key/value forms, those left out that change nothing.
  private func splits(
    _ layout: any Layout, _ choices: PlanChoices
  ) -> [(parallel: Bool, form: KeyValueForm)] {
    let probe = LayoutProbe(layout, choices, request.training)
    let parallel: [Bool]
    switch pins.sequenceParallel {
    case let pinned?: parallel = !pinned || layout.hasSequenceParallelism ? [pinned] : []
    case nil: parallel = probe.sequenceParallelismSplits ? [false, true] : [false]
    }
    let forms = probe.keyValueHeadsAreCopied ? KeyValueForm.allCases : [.copied]
    return parallel.flatMap { isParallel in forms.map { (isParallel, $0) } }
  }

  private func nothingDivides() -> ConstraintViolation {
    if pins.matmul == .stepped {
      return ConstraintViolation(
        constraint: "stepped matmuls loop over the panels of a layout that has some",
        found: "layout \(pins.layout?.rawValue ?? "of one device")",
        needed: "summa or tesseract on more than one device of rows and columns",
        remedy: "--layout summa, or --matmul gathered")
    }
    if pins.sequenceParallel == true {
      return ConstraintViolation(
        constraint: "sequence parallelism splits the stream of a layout that keeps it whole",
        found: "layout \(pins.layout?.rawValue ?? "of one device")",
        needed: "megatron or stationary", remedy: "--layout megatron, or --no-sequence-parallel")
    }
    return ConstraintViolation(
      constraint: "data x tensor = devices", found: "no split of \(request.devices) is left",
      needed: "a layout for it", remedy: "fewer pins")
  }
}

/// Candidates that are lowered alike but for what is gathered, tables and micro-batches.
struct Family {
  /// Micro-batches, placement, gathers and table are not set.
  let choices: PlanChoices
  let shape: LayoutShape
  /// Sizes of micro-batches that divide the batch, ascending.
  let microBatches: [Int]

  fileprivate func isSplit(as other: Family) -> Bool {
    ["data", "pipeline"].allSatisfy { choices.degree($0) == other.choices.degree($0) }
  }
}

extension [Family] {
  /// Families of the same devices for data, stages and tensor mesh, together.
  var bySplit: [[Family]] {
    reduce(into: []) { result, family in
      if let last = result.last?.first, last.isSplit(as: family) {
        result[result.count - 1].append(family)
      } else {
        result.append([family])
      }
    }
  }
}

/// Asks a layout's tables whether choices make a difference.
struct LayoutProbe {
  private let layout: any Layout
  private let context: LayoutContext

  init(_ layout: any Layout, _ choices: PlanChoices, _ training: TrainingGraph) {
    self.layout = layout
    let axes = layout.axisNames.map { ($0, choices.mesh.whole($0)) }
    context = LayoutContext(
      mesh: choices.mesh, axes: Dictionary(uniqueKeysWithValues: axes), sizes: training.sizes,
      sequenceParallel: false, keyValue: .gathered, tableForm: .gathered,
      isTied: training.isTied)
  }

  /// Whether several devices would use one key/value head.
  var keyValueHeadsAreCopied: Bool {
    let keys = LinearRole(from: .stream, to: .keyValue)
    return !layout.factors(of: keys, in: context)[.headWidth].isEmpty
  }

  var sequenceParallelismSplits: Bool {
    var parallel = context
    parallel.sequenceParallel = true
    return layout.storage(of: .stream, in: parallel) != layout.storage(of: .stream, in: context)
  }
}

/// Which pins this version cannot meet.
enum PinRules {
  static func unbuilt(_ pins: Pins) -> [ConstraintViolation] {
    var found: [ConstraintViolation] = []
    func refuse(_ condition: Bool, _ what: String, _ remedy: String) {
      guard condition else { return }
      found.append(
        ConstraintViolation(
          constraint: "\(what) is not built in this version", found: what,
          needed: "a choice that is built", remedy: remedy))
    }
    refuse(pins.opensFactors, "layout any", "no --layout: every named layout is searched")
    return found
  }
}

import PlanIR

/// Every launch that differs from another in one thing.
struct AuditVariants {
  let base: LaunchConfiguration
  let training: TrainingGraph
  let devices: Int

  struct Variant {
    let knob: AuditKnob
    let from, to: String
    let configuration: LaunchConfiguration
  }

  private var words: LaunchWords { LaunchWords(base.framework) }
  private static let largestContext = 16
  /// How many layers fewer the ends' stages are tried with.
  private static let fewerLayers = 4

  /// The launches, in a fixed order. Data takes the devices that the degrees leave.
  func all() -> [Variant] {
    tried().filter { $0.configuration.isTaken(sequence: training.workload.sequence) }
  }

  private func tried() -> [Variant] {
    degrees() + [contextAttention()].compactMap(\.self) + microBatches()
      + [sequenceParallelism()].compactMap(\.self) + sharding()
      + [gradientOverlap()].compactMap(\.self) + recomputation() + schedules() + stages()
      + [ranks()].compactMap(\.self)
  }

  private func variant(
    _ knob: AuditKnob, _ from: String, _ to: String, _ change: (inout LaunchConfiguration) -> Void
  ) -> Variant {
    var changed = base
    change(&changed)
    let beside = keepingBatch(&changed)
    return Variant(knob: knob, from: from, to: to + beside, configuration: changed)
  }

  /// What must be said beside a change for the step to stay of as many sequences.
  private func keepingBatch(_ changed: inout LaunchConfiguration) -> String {
    let (before, after) = (sequences(base), sequences(changed))
    let global = training.workload.globalBatch
    guard let before, let after, before != after, global % after == 0 else { return "" }
    if base.microBatches != nil {
      changed.microBatches = global / after
      return " and gradient_accumulation_steps \(global / after)"
    }
    guard base.workload.globalBatch == nil else { return "" }
    return base.framework == .megatron
      ? " \(words.globalBatch) \(global)" : " and \(words.globalBatch) \(global)"
  }

  /// Sequences of one micro-batch on all data ranks.
  private func sequences(_ configuration: LaunchConfiguration) -> Int? {
    let model = configuration.tensor * configuration.pipeline * configuration.context
    return configuration.microBatch.map { $0 * (devices / model) }
  }

  private func degrees() -> [Variant] {
    let tensors = divisors(of: devices / base.pipeline / base.context)
      .filter { $0 != base.tensor && training.sizes[.heads] % $0 == 0 }
    let stages = divisors(of: devices / base.tensor / base.context)
      .filter { $0 != base.pipeline && $0 <= training.layers }
    let contexts = divisors(of: devices / base.tensor / base.pipeline)
      .filter { $0 != base.context && $0 <= Self.largestContext }
    let tensorVariants = tensors.map { degree in
      variant(.tensor, "\(words.tensor) \(base.tensor)", "\(words.tensor) \(degree)") {
        $0.tensor = degree
      }
    }
    let stageVariants = stages.map { degree in
      let alone = degree == 1 && base.chunks != .one ? " and \(words.text(.one))" : ""
      let from = ["\(words.pipeline) \(base.pipeline)"] + layersOfEnds
      return variant(
        .pipeline, from.joined(separator: " "), "\(words.pipeline) \(degree)\(alone)"
      ) {
        $0.pipeline = degree
        ($0.firstStageLayers, $0.lastStageLayers) = (nil, nil)
        if degree == 1 { ($0.chunks, $0.schedule) = (.one, nil) }
      }
    }
    return tensorVariants + stageVariants
      + contexts.flatMap { degree in contextAttentions(degree).map { context(degree, $0) } }
  }

  /// How many layers the launch says the ends have.
  private var layersOfEnds: [String] {
    [
      base.firstStageLayers.map { "--decoder-first-pipeline-num-layers \($0)" },
      base.lastStageLayers.map { "--decoder-last-pipeline-num-layers \($0)" },
    ].compactMap(\.self)
  }

  /// Forms of attention over a context axis of `degree`: that of the launch, and where it has no such axis the
  /// other that Megatron has.
  private func contextAttentions(_ degree: Int) -> [ContextAttention] {
    let both = degree > 1 && base.context == 1 && base.framework == .megatron
    let others = ContextAttention.allCases.filter { $0 != base.contextAttention }
    return [base.contextAttention] + (both ? others : [])
  }

  private func context(_ degree: Int, _ attention: ContextAttention) -> Variant {
    let flag =
      attention == base.contextAttention ? "" : " \(words.contextAttention(attention))"
    return variant(
      .context, "\(words.context) \(base.context)", "\(words.context) \(degree)\(flag)"
    ) { ($0.context, $0.contextAttention) = (degree, attention) }
  }

  private func contextAttention() -> Variant? {
    guard base.context > 1, base.framework != .deepspeed else { return nil }
    let other: ContextAttention = base.contextAttention == .ring ? .allToAll : .ring
    let from = base.written.contextAttention ?? words.contextAttention(base.contextAttention)
    return variant(.contextAttention, from, words.contextAttention(other)) {
      $0.contextAttention = other
      $0.written.contextAttention = nil
    }
  }

  private func microBatches() -> [Variant] {
    guard let size = base.microBatch else { return [] }
    let data = devices / base.tensor / base.pipeline / base.context
    return divisors(of: training.workload.globalBatch / data).filter { $0 != size }.map { other in
      variant(.microBatch, "\(words.microBatch) \(size)", "\(words.microBatch) \(other)") {
        $0.microBatch = other
      }
    }
  }

  private func sequenceParallelism() -> Variant? {
    guard base.tensor > 1 else { return nil }
    let (off, on) = ("no --sequence-parallel", "--sequence-parallel")
    return variant(
      .sequenceParallel, base.sequenceParallel ? on : off, base.sequenceParallel ? off : on
    ) { $0.sequenceParallel.toggle() }
  }

  private func sharding() -> [Variant] {
    // FSDP 2 shards gradients at least; where a mesh has it shard nothing, that is no word of its own.
    let isSecond = base.framework == .fsdp && base.written.sharder == .secondFSDP
    let all = isSecond ? (base.zero < 2 ? [] : [2, 3]) : [0, 1, 2, 3]
    let others = all.filter { $0 != base.zero || (!tellsCopies && base.copies != .one) }.map {
      sharding($0, tellsCopies ? base.copies : .one)
    }
    return others + hybridSharding()
  }

  /// Whether copies are told by a mesh of their own, as FSDP 2's are, not by the strategy.
  private var tellsCopies: Bool {
    if case .count = base.copies { return true }
    return base.framework == .fsdp && base.written.sharder == .secondFSDP
  }

  private func sharding(_ zero: Int, _ copies: LaunchCopies) -> Variant {
    let sharder = base.written.sharder
    let from = base.written.sharding ?? words.sharding(base.zero, base.copies, by: sharder)
    // Megatron has PyTorch's FSDP in one form and another; what else shards is said without it.
    let others = base.framework == .megatron && sharder == .secondFSDP
    let kept = others ? LaunchSharder.usual : sharder
    return variant(.zero, from, words.sharding(zero, copies, by: kept)) {
      ($0.zero, $0.copies) = (zero, copies)
      ($0.written.sharding, $0.written.sharder) = (nil, kept)
    }
  }

  /// What is sharded copied over nodes, or as often as FSDP 2's mesh says.
  private func hybridSharding() -> [Variant] {
    guard base.framework == .fsdp, base.tensor == 1 else { return [] }
    guard tellsCopies else {
      return [2, 3].filter { base.copies != .perNode || $0 != base.zero }
        .map { sharding($0, .perNode) }
    }
    guard base.zero >= 2 else { return [] }
    let data = devices / base.context / base.pipeline
    let present: Int = if case .count(let count) = base.copies { count } else { 1 }
    return divisors(of: data).filter { $0 != present && $0 < data }.map { count in
      variant(.copies, words.copies(present, of: data), words.copies(count, of: data)) {
        $0.copies = count == 1 ? .one : .count(count)
      }
    }
  }

  private func gradientOverlap() -> Variant? {
    guard !base.overlapsGradients, devices > base.tensor * base.pipeline * base.context else {
      return nil
    }
    let made = variant(.gradientOverlap, "no \(words.gradientOverlap)", words.gradientOverlap) {
      $0.gradientOverlap = true
    }
    // Some shardings cannot.
    return made.configuration.overlapsGradients ? made : nil
  }

  private func recomputation() -> [Variant] {
    let most = (training.layers + base.pipeline - 1) / base.pipeline
    // Eighths of a stage's layers: the fewest that fit are found among these.
    let parts = Set((1..<8).map { max(1, most * $0 / 8) }).sorted().filter { $0 < most }
    var kinds: [LaunchRecomputation] = [.none, .full]
    if training.workload.attention == .unfused { kinds.append(.selective) }
    if base.chunks == .one { kinds += parts.map { .block($0) } }
    return kinds.filter { $0 != base.recompute }.map { kind in
      let from = base.written.recompute ?? words.recompute(base.recompute)
      return variant(.recompute, from, words.recompute(kind)) {
        $0.recompute = kind
        $0.written.recompute = nil
      }
    }
  }

  private func schedules() -> [Variant] {
    guard base.pipeline > 1 else { return [] }
    let layers = training.layers / base.pipeline
    let from = base.schedule == .zeroBubble ? "ZB-H1" : words.text(base.chunks)
    let chunks = divisors(of: layers).filter { $0 > 1 && $0 <= 8 }
      .map { variantOfChunks($0, from) }
      .filter { $0.configuration.chunks != base.chunks }
    var result = chunks
    if base.chunks != .one {
      result.append(
        variant(.schedule, from, words.text(.one)) { ($0.chunks, $0.schedule) = (.one, nil) })
    }
    if base.schedule != .zeroBubble {
      result.append(
        variant(.schedule, from, "ZB-H1") { ($0.chunks, $0.schedule) = (.one, .zeroBubble) })
    }
    return result
  }

  private func variantOfChunks(_ count: Int, _ from: String) -> Variant {
    variant(.schedule, from, words.text(.count(count))) {
      $0.chunks = .count(count)
      $0.schedule = nil
    }
  }

  /// Fewer layers where the head, or the embedding, lies.
  private func stages() -> [Variant] {
    let each = training.layers / base.pipeline
    guard base.pipeline > 1, base.framework == .megatron, base.chunks == .one, each > 1 else {
      return []
    }
    let counts = [
      (base.countsEmbedding, "--account-for-embedding-in-pipeline-split"),
      (base.countsHead, "--account-for-loss-in-pipeline-split"),
    ].filter(\.0).map(\.1)
    let written = layersOfEnds + counts
    let from =
      written.isEmpty ? "\(each) layers on every stage" : written.joined(separator: " ")
    let ends = (1...Self.fewerLayers).filter { $0 < each }.flatMap { fewer -> [(Int?, Int)] in
      [
        (nil, each - fewer), (each, each - fewer), (each - fewer, each - fewer),
        (each + 1, each - fewer),
      ]
    }
    return ends.map { first, last in
      let flag = first.map { "--decoder-first-pipeline-num-layers \($0) " } ?? ""
      return variant(.stages, from, "\(flag)--decoder-last-pipeline-num-layers \(last)") {
        ($0.firstStageLayers, $0.lastStageLayers) = (first, last)
        ($0.countsEmbedding, $0.countsHead) = (false, false)
      }
    }
  }

  private func ranks() -> Variant? {
    guard base.pipeline > 1, base.framework == .megatron else { return nil }
    let (off, on) = ("no --use-tp-pp-dp-mapping", "--use-tp-pp-dp-mapping")
    return variant(.ranks, base.stagesBeforeData ? on : off, base.stagesBeforeData ? off : on) {
      $0.stagesBeforeData.toggle()
    }
  }
}

import PlanIR

/// Finds the mixtures that may be among the best: a layout and mesh for each block class, devices
/// numbered row-major in all of them.
///
/// Embedding and head take the layout of the attention or of the mlp blocks, unless mixtures are
/// asked for (`--layout mixed`): then each takes any.
///
/// A mixture's step is the sum of its blocks' and of the joints' between them, so that layers alone,
/// with the joints between them, bound it from below: pairs of attention and mlp whose sum is no
/// better than what is kept are left out with all their embeddings and heads. What remains is priced
/// whole.
struct MixtureSearch {
  let data, tensor: Int
  /// How many devices lie on a node.
  let fill: Int
  let request: SearchRequest
  private let ends: EndsBound
  private var endShapes: EndShapes
  private let shapes: [LayoutShape]
  /// Choices, everything kept and gathered whole, of which a mixture that might have been kept is over
  /// the memory limit.
  private var over: Set<PlanChoices> = []
  private var joints: [JointKey: JointProfile?] = [:]
  /// By choices, everything kept and gathered whole: the shapes that were open when it was last looked at.
  private var knownOpen: [PlanChoices: MixtureShapes.Open] = [:]

  private struct JointKey: Hashable {
    let giver, taker: LayoutShape
    let sequenceParallel: Bool
  }

  init(
    _ space: CandidateSpace, data: Int, tensor: Int, fill: Int, shapes: [LayoutShape]
  ) {
    (request, ends) = (space.request, space.ends)
    endShapes = EndShapes(request.training, space.rates, data: data, tensor: tensor)
    self.data = data
    self.tensor = tensor
    self.fill = fill
    self.shapes = shapes
  }

  var training: TrainingGraph { request.training }

  /// Mixtures under `choices` on these devices, of the shapes that are open.
  mutating func consider(
    _ choices: PlanChoices, _ open: MixtureShapes.Open, table: inout BlockTable,
    ranking: inout Ranking
  ) {
    if isDominated(choices, choices.microBatch) { return }
    price(choices, open, table: &table, ranking: &ranking)
  }

  /// Blocks of one class in every shape that can be lowered, with the time of all their layers.
  private struct Option {
    let shape: LayoutShape
    /// But for gradients that are reduced beside the last backward pass.
    let time: Picoseconds
    /// What all its layers hold when the forward pass ends: their parameters, and what they keep.
    let held: Bytes
    /// What its groups of blocks hold, and their backward passes, by group.
    let blocks: [BlockGroup: [MixedBlock]]
  }

  /// Whether `choices` gather again, or panel by panel, what the same mixtures may keep or gather
  /// whole: they cannot win where of those no mixture that might be kept is over the memory limit. Where
  /// mixtures alone are searched, of any four layouts, there are too many to look at them for lower ranks.
  private func isDominated(_ choices: PlanChoices, _ microBatch: Int) -> Bool {
    guard request.pins.layout == .mixed, request.prunesDominated else { return false }
    let least = choices.keepingAll(microBatch)
    let isLeast =
      choices.matmul == .gathered && choices.gathersInputs == .saved
      && choices.gathersWeights == .saved
    return !isLeast && !over.contains(least)
  }

  private mutating func price(
    _ choices: PlanChoices, _ known: MixtureShapes.Open, table: inout BlockTable,
    ranking: inout Ranking
  ) {
    let least = leastEnds(choices, &table)
    let open = openShapes(choices, known, least, &table, ranking)
    let attention = options(.attention, choices, open.attention, &table)
    let mlp = options(.mlp, choices, open.mlp, &table)
    let framework = request.cluster.device.framework(
      training, Mesh([MeshAxis("data", data), MeshAxis("tensor", tensor)]),
      microBatches: choices.microBatches)
    let beside = framework + leastEndsHeld(choices)
    for first in attention {
      for second in mlp {
        let pairs = assignments(first.shape, second.shape)
        let alone = first.time + second.time
        let held = first.held + second.held + beside
        if ranking.isBeaten((alone + least).count, memory: held)
          || ranking.isBeaten(
            (alone + leastEnds(pairs, choices, &table)).count, memory: held)
        {
          ranking.prune(count: pairs.count)
          continue
        }
        if ranking.isBeaten(memory: held) {
          ranking.prune(count: pairs.count)
          continue
        }
        if ranking.isOver(held) {
          ranking.refuseOverMemory(count: pairs.count)
          over.insert(choices.keepingAll(choices.microBatch))
          continue
        }
        let mixtures =
          pairs.filter { $0.uses(choices, training) && $0.gathers(choices, request, data, &table) }
        guard !mixtures.isEmpty,
          let between = layerJoints(first.shape, second.shape, choices)
        else { continue }
        let layers = alone + between
        let blocks = first.blocks.merging(second.blocks) { known, _ in known }
        for mixture in mixtures {
          let own = first.held + second.held + framework
          price(mixture, layers, own, blocks, choices, &table, &ranking)
        }
      }
    }
  }

  /// What embedding and head compute of a step at least, whatever their shapes.
  mutating func leastEnds(_ choices: PlanChoices, _ table: inout BlockTable) -> Picoseconds {
    let even = ends.all(data * choices.microBatch, devices: data * tensor) * choices.microBatches
    // Where an even share bounds them each shape need not be lowered to know.
    if request.timings.isEmpty { return even }
    let any = shapes.map {
      Assignment(embedding: $0, attention: $0, mlp: $0, head: $0)
    }
    return max(even, leastEnds(any, choices, &table))
  }

  /// What embedding and head of any of `mixtures` compute of a step at least.
  private mutating func leastEnds(
    _ mixtures: [Assignment], _ choices: PlanChoices, _ table: inout BlockTable
  ) -> Picoseconds {
    var least: (embedding: Picoseconds, head: Picoseconds)?
    for mixture in mixtures {
      let embedding = endShapes.least(mixture.embedding, choices, &table).embedding
      let head = endShapes.least(mixture.head, choices, &table).head
      least = (
        min(least?.embedding ?? embedding, embedding), min(least?.head ?? head, head)
      )
    }
    return least.map { ($0.embedding + $0.head) * choices.microBatches } ?? .zero
  }

  /// The mixtures of two layouts of layers.
  private func assignments(_ attention: LayoutShape, _ mlp: LayoutShape) -> [Assignment] {
    let ends =
      request.pins.layout == .mixed ? shapes : attention == mlp ? [] : [attention, mlp]
    return ends.flatMap { embedding in
      ends.map { head in
        Assignment(embedding: embedding, attention: attention, mlp: mlp, head: head)
      }
    }.filter { !$0.isUniform }
  }

  /// The shapes of attention and of mlp blocks that may be in a mixture which is kept: however they gather
  /// they take as long as with everything kept and gathered whole at least.
  private mutating func openShapes(
    _ choices: PlanChoices, _ known: MixtureShapes.Open, _ ends: Picoseconds,
    _ table: inout BlockTable,
    _ ranking: Ranking
  ) -> MixtureShapes.Open {
    guard request.prunesDominated, let worst = ranking.worstKept else { return known }
    var whole = choices
    (whole.gathersInputs, whole.gathersWeights, whole.matmul) = (.saved, .saved, .gathered)
    if whole == choices { return known }
    if let found = knownOpen[whole] { return found }
    let found = openShapes(whole, known, ends, worst, &table)
    knownOpen[whole] = found
    return found
  }

  private func openShapes(
    _ whole: PlanChoices, _ known: MixtureShapes.Open, _ ends: Picoseconds, _ worst: Picoseconds,
    _ table: inout BlockTable
  ) -> MixtureShapes.Open {
    let attention = options(.attention, whole, known.attention, &table)
    let mlp = options(.mlp, whole, known.mlp, &table)
    guard let first = attention.map(\.time).min(), let second = mlp.map(\.time).min() else {
      return known
    }
    /// Without those that take too long beside the fastest of the others.
    func open(
      _ shapes: [LayoutShape], _ options: [Option], beside other: Picoseconds
    ) -> [LayoutShape] {
      let slow = options.filter { $0.time + other + ends > worst }.map(\.shape)
      return shapes.filter { !slow.contains($0) }
    }
    return MixtureShapes.Open(
      attention: open(known.attention, attention, beside: second),
      mlp: open(known.mlp, mlp, beside: first))
  }

  /// The shapes of a class and what its blocks in them take of a step; one without blocks has one.
  private func options(
    _ blockClass: BlockClass, _ choices: PlanChoices, _ shapes: [LayoutShape],
    _ table: inout BlockTable
  ) -> [Option] {
    let groups = training.groups.layers.filter {
      training.block($0.places[0]).graph.blockClass == blockClass
    }
    guard !groups.isEmpty else {
      return shapes.prefix(1).map {
        Option(shape: $0, time: .zero, held: .zero, blocks: [:])
      }
    }
    return shapes.compactMap { option($0, groups, choices, &table) }
  }

  private func option(
    _ shape: LayoutShape, _ groups: [BlockGroup], _ choices: PlanChoices,
    _ table: inout BlockTable
  ) -> Option? {
    let alone = choices.uniform(shape, data: data)
    let network = NetworkTable(asNumbered: request, mesh: alone.mesh, fill: fill)
    // Blocks' meshes number devices alike: a node must hold the same devices in all of them.
    guard Placement.isAsNumbered(network.placements[0]) else { return nil }
    var time = Picoseconds.zero
    var held = Bytes.zero
    var blocks: [BlockGroup: [MixedBlock]] = [:]
    for group in groups {
      guard let lowered = try? table.lowered(group, alone),
        data * choices.microBatch % lowered.unit == 0
      else { return nil }
      let priced = PricedGroup(
        lowered, units: data * choices.microBatch / lowered.unit, network: network)
      blocks[group] = MixedBlock.all(priced)
      held += self.held(priced, group)
      time =
        time
        + priced.time(
          layers: layers(of: group), microBatches: choices.microBatches, placement: 0)
    }
    return Option(shape: shape, time: time, held: held, blocks: blocks)
  }

  /// What all blocks of a group hold when the forward pass ends: their parameters, and what they keep.
  private func held(_ priced: PricedGroup, _ group: BlockGroup) -> Bytes {
    zip(priced.blocks, layers(of: group)).reduce(.zero) { held, entry in
      let (memory, layers) = (entry.0.memory, entry.1)
      let each = memory.stored.program + memory.forward.change.program
      return held + Bytes(each.count * layers)
    }
  }

  private func layers(of group: BlockGroup) -> [Int] {
    group.places.map { training.segments[$0.segment].count }
  }

  /// What joints between attention and mlp blocks take of a step; nil where there can be none.
  private mutating func layerJoints(
    _ attention: LayoutShape, _ mlp: LayoutShape, _ choices: PlanChoices
  ) -> Picoseconds? {
    guard attention != mlp else { return .zero }
    let assignment = Assignment(
      embedding: attention, attention: attention, mlp: mlp, head: mlp)
    return jointTime(assignment, choices) { giver, taker in
      [giver, taker].allSatisfy { $0 == .attention || $0 == .mlp }
    }
  }

  // MARK: - Whole mixtures

  /// What embedding and head hold at least.
  private func leastEndsHeld(_ choices: PlanChoices) -> Bytes {
    Bytes(ends.bytes(choices.microBatch, data: data, tensor: tensor, ShardedWeights(choices)))
  }

  /// Prices a mixture, whose layers take `layers` and hold `held` with the framework, with every form of its table.
  private mutating func price(
    _ assignment: Assignment, _ layers: Picoseconds, _ held: Bytes,
    _ known: [BlockGroup: [MixedBlock]],
    _ choices: PlanChoices, _ table: inout BlockTable, _ ranking: inout Ranking
  ) {
    let ends = leastEnds([assignment], choices, &table)
    let least = held + leastEndsHeld(choices)
    if ranking.isBeaten((layers + ends).count, memory: least) || ranking.isBeaten(memory: least) {
      return ranking.prune(count: 1)
    }
    guard let mixed = assignment.choices(from: choices, data: data), fits(mixed),
      let outer = jointTime(
        assignment, mixed,
        where: { giver, taker in
          ![giver, taker].allSatisfy { $0 == .attention || $0 == .mlp }
        })
    else { return }
    if ranking.isBeaten((layers + outer + ends).count, memory: least) {
      return ranking.prune(count: 1)
    }
    guard let variants = try? table.tables(mixed) else { return }
    for choices in variants {
      guard let ends = try? table.lowered(training.groups.ends, choices),
        data * choices.microBatch % ends.unit == 0
      else { continue }
      let network = NetworkTable(asNumbered: request, mesh: choices.mesh, fill: fill)
      let priced = PricedGroup(
        ends, units: data * choices.microBatch / ends.unit, network: network)
      let time = priced.time(
        layers: self.layers(of: training.groups.ends), microBatches: choices.microBatches,
        placement: 0)
      var step = layers + outer + time
      let all = held + self.held(priced, training.groups.ends)
      if ranking.isBeaten(step.count, memory: all) || ranking.isBeaten(memory: all) {
        ranking.prune(count: 1)
        continue
      }
      var blocks = known
      blocks[training.groups.ends] = MixedBlock.all(priced)
      if request.cluster.device.operators.overlapsGradients {
        let chain = chain(assignment, blocks, choices, empty: BackwardWork(), \.backward) {
          $0.backward($1, $2, fill: $3)
        }
        step = step + GradientOverlap(chain).exposed
      }
      let framework = request.cluster.device.framework(
        training, choices.mesh, microBatches: choices.microBatches)
      let peak = peak(assignment, blocks, choices) + framework
      if ranking.isOver(peak) { over.insert(choices.keepingAll(choices.microBatch)) }
      ranking.offer(step: step, memory: peak) {
        var choices = choices
        choices.placement = network.placements[0]
        return choices
      }
    }
  }

  /// Whether every block is split in the mixture's mesh as in its own.
  private func fits(_ choices: PlanChoices) -> Bool {
    let context = try? LoweringContext(
      sizes: training.sizes, workload: training.workload, choices: choices,
      isTied: training.isTied)
    return context != nil
  }

  // MARK: - Joints

  /// What the joints of `assignment` take of a step, of those between classes that `isCounted`
  /// accepts; nil where one cannot be.
  private mutating func jointTime(
    _ assignment: Assignment, _ choices: PlanChoices,
    where isCounted: (BlockClass, BlockClass) -> Bool
  ) -> Picoseconds? {
    var time = Picoseconds.zero
    for (giver, taker, count) in training.neighbours where isCounted(giver, taker) {
      let (from, to) = (assignment[giver], assignment[taker])
      guard from != to else { continue }
      guard let joint = joint(from, to, choices) else { return nil }
      guard let profile = joint.profile else { continue }
      let batch = data * choices.microBatch
      guard batch % profile.unit == 0 else { return nil }
      time =
        time + profile.time(batch / profile.unit, request, fill: fill)
        * (count * choices.microBatches)
    }
    return time
  }

  mutating func joint(
    _ giver: LayoutShape, _ taker: LayoutShape, _ choices: PlanChoices
  ) -> (profile: JointProfile?, Void)? {
    let key = JointKey(
      giver: giver, taker: taker, sequenceParallel: choices.sequenceParallel)
    if let known = joints[key] { return (known, ()) }
    let assignment = Assignment(embedding: giver, attention: giver, mlp: taker, head: taker)
    guard let mixed = assignment.choices(from: choices, data: data) else { return nil }
    // `try?` would take a joint where nothing moves, which is nil, for one that cannot be.
    do throws(ConstraintViolation) {
      let made = try JointProfile(training, mixed)
      joints[key] = .some(made)
      return (made, ())
    } catch {
      return nil
    }
  }
}

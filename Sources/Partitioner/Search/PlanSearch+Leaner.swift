import PlanIR

/// What gathers again, or loops over panels, what a node keeps and gathers whole.
extension PlanSearch {
  /// Whether there is anything that gathers again, or loops over panels, what `node` keeps and gathers whole.
  mutating func mayBeLeaner(_ node: PlanNode) -> Bool {
    !node.choices.weightsOver.isEmpty || points[node.point].mayBeLeaner(space, &chains)
  }

  /// What is leaner than a node that does not fit, where it might if its layers kept nothing.
  mutating func pushLeaner(than node: PlanNode, _ bound: NodeBound, _ asked: SearchRequest) {
    let least = bound.bound(
      asked, leaner: bound.memory.keepingNothing, head: leastHead(of: node))
    guard mayBeLeaner(node) else { return }
    if least != nil {
      heap.push(.leaner(node, isBounded: false), bound: bound.least(request))
    } else {
      certify(CertificatePath.sharded(node.choices) + [Certificate.others], nil)
    }
  }

  /// What is leaner than a node that takes `bound` at least for what it must compute again to fit, where it may take less:
  /// it holds less.
  mutating func pushLeaner(
    beside node: PlanNode, _ own: NodeBound, _ asked: SearchRequest, below bound: Int
  ) {
    guard request.objective == .time, own.least(request) < bound else { return }
    let least = own.bound(asked, leaner: own.memory.keepingNothing, head: leastHead(of: node))
    guard let least, least < bound, mayBeLeaner(node) else { return }
    node.isApart = true
    heap.push(.leaner(node, isBounded: false), bound: least)
  }

  /// A node that is left out for what it must compute again to fit may be so to no end: what gathers again
  /// holds less.
  mutating func reviveLeaner(_ item: Item) {
    guard case .open(let node) = item, !node.isLeaner, !node.isApart, let bound = node.bound,
      mayBeLeaner(node)
    else { return }
    let least = bound.least(request)
    if ranking.isBeaten(least) {
      certify(CertificatePath.sharded(node.choices) + [Certificate.others], least)
    } else {
      heap.push(.leaner(node, isBounded: false), bound: least)
    }
  }

  /// Bounds what is leaner than a node by what its layers keep at least; first as far as embedding and head need not be
  /// lowered again for it.
  mutating func boundLeaner(_ node: PlanNode, atLeast least: Int) {
    let asked = asked(atLeast: least)
    let memory = points[node.point].leanMemory(node.choices.microBatch, request, &chains)
    let rough = node.bound?.bound(asked, leaner: memory, head: leastHead(of: node))
    if let rough, rough > least {
      return heap.push(.leaner(node, isBounded: false), bound: rough)
    }
    pushLeaner(node) { node.bound?.bound(asked, leaner: $0, head: $1).map { max(least, $0) } }
  }

  /// The same where embedding and head are not lowered again.
  private func leastHead(of node: PlanNode) -> Int {
    let choices = node.choices
    return space.ends.headBytes(
      choices.microBatch, devices: choices.tensorDegree * choices.degree("context"))
  }

  /// What the head of what is leaner than `node` holds at least.
  private mutating func leanHead(of node: PlanNode) -> Int {
    points[node.point].leanEnds(node.choices.microBatch, space, &chains).head
  }

  /// Puts what gathers again, or loops over panels, what `node` keeps and gathers whole where it belongs by
  /// `bound`, of what its layers keep and its head holds at least: it takes longer, and keeps no less than where all
  /// is gathered again.
  mutating func pushLeaner(_ node: PlanNode, _ bound: (LayerMemory, _ head: Int) -> Int?) {
    guard !node.isLeaner, mayBeLeaner(node) else { return }
    let memory = points[node.point].leanMemory(
      node.choices.microBatch, request, &chains)
    // Most are beaten, or fit nowhere, whatever else the head holds.
    let least = bound(memory, leastHead(of: node))
    if let least, ranking.isBeaten(least) {
      heap.push(.leaner(node, isBounded: true), bound: least)
    } else if least != nil, let bound = bound(memory, leanHead(of: node)) {
      heap.push(.leaner(node, isBounded: true), bound: bound)
    } else {
      certify(CertificatePath.sharded(node.choices) + [Certificate.others], nil)
    }
  }

  mutating func leaner(_ node: PlanNode, bound: Int) {
    do throws(ConstraintViolation) {
      var keeps = points[node.point].keepsGathered(node.choices)
      if !keeps.inputs || !keeps.weights {
        let ends = try chains.ends(node.choices)
        keeps.inputs = keeps.inputs || ends.keepsGatheredInputs
        keeps.weights = keeps.weights || ends.keepsGatheredWeights
      }
      for other in node.leaner(keeps, space) { push(other, atLeast: bound) }
    } catch {
      certify(CertificatePath.sharded(node.choices) + [Certificate.others], nil)
      ranking.refuse(error, count: counts.of(node))
    }
  }

  /// Puts what is leaner than a node that takes `least` at least where it belongs.
  mutating func push(_ leaner: PlanNode, atLeast least: Int) {
    let (choices, request) = (leaner.choices, request)
    let bounds = points[leaner.point].bounds(gathering: choices, request, &chains)
    guard let bounds else { return heap.push(.open(leaner), bound: least) }
    var parts = points[leaner.point].trunk.ends.parts(choices.microBatch, &chains)
    parts.memory.head =
      points[leaner.point].trunk.ends.memory(
        choices.microBatch, GatherForm(choices), &chains
      ).head
    let interleaves = space.interleaves(
      stages: choices.degree("pipeline"), microBatches: choices.microBatches)
    let gathered = points[leaner.point].gathered(choices, request.training)
    let node = PlanNode(
      choices: choices, shape: leaner.shape, point: leaner.point, isLeaner: true,
      bound: self.bound(choices, bounds, parts, interleaves, gathered: gathered))
    let asked = asked(atLeast: least)
    if let bound = node.bound?.bound(asked) {
      heap.push(.open(node), bound: max(least, bound))
    } else {
      certify(CertificatePath.node(choices), nil)
      leaveOut(counts.of(node), asked)
    }
  }
}

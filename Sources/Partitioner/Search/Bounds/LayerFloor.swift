package import PlanIR

/// What the blocks of attention take and hold at least on any mesh, before they are lowered there.
///
/// Every layout computes the same operations, each on parts that make up the whole, and stores every parameter:
/// so the device with the largest parts takes an even share at least of what one device takes for what grows with
/// the batch, its products at full speed, and holds an even share of the parameters. What is sent, launched and
/// copied comes on top. Derived; ``LayerFloorTests`` holds it to lowered layers.
package struct LayerFloor {
  private var segments: [Int: Share] = [:]

  /// Of one layer on one device.
  private struct Share {
    /// The place of the first of them in the layer.
    let block: Int
    /// Seconds of one sequence.
    var forward = 0.0
    var inputGradient = 0.0
    var weightGradient = 0.0
    var stored = MemoryUse()
  }

  /// As a search for `request` has it.
  package init(_ request: SearchRequest) {
    self = CandidateSpace(request).attention
  }

  /// Of what points of `request`'s model leave for later; nothing where kernels have measured times.
  init(_ request: SearchRequest, _ rates: ClusterRates) {
    let training = request.training
    guard request.timings.isEmpty, !training.isAnnotated else { return }
    var templates = TemplateTable(training)
    let cost = ClusterCost(rates, mesh: Mesh([]), placement: [])
    for group in training.groupsOfAttention {
      guard let alone = PlanChoices.ofOneDevice(training),
        let lowered = try? templates.lowered(group, alone)
      else { continue }
      for (place, profile) in zip(group.places, lowered.profiles) {
        let seconds = profile.leastOfOperations(cost)
        var share = segments[place.segment] ?? Share(block: place.block)
        share.forward += seconds.forward
        share.inputGradient += seconds.inputGradient
        share.weightGradient += seconds.weightGradient
        share.stored = share.stored + profile.stored
        segments[place.segment] = share
      }
    }
  }

  /// Layers of each segment that take and hold `own` of a micro-batch of `size` sequences on a tensor mesh and
  /// context, with what their attention does at least.
  func added(to own: [BlockPasses?], size: Int, tensor: Int, context: Int) -> [BlockPasses?] {
    var result = own
    for (segment, least) in least(size: size, tensor: tensor, context: context) {
      guard var passes = result[segment] else { continue }
      passes.blocks.append(
        BlockPasses.PlacedBlock(
          place: least.block, times: passes.times.map { _ in LayerTimes(passes: least.passes) }))
      for index in passes.times.indices {
        passes.times[index].passes = passes.times[index].passes + least.passes
      }
      passes.memory.stored = passes.memory.stored + least.stored
      result[segment] = passes
    }
    return result
  }

  /// What attention of one layer of each segment takes and holds at least.
  package func least(
    size: Int, tensor: Int, context: Int
  ) -> [Int: (block: Int, passes: PassBound, stored: MemoryUse)] {
    // What is rounded to whole picoseconds, op by op, may be less than its share.
    let part = Double(size) / Double(tensor * context) * 0.999
    return segments.mapValues { share in
      let passes = PassBound(
        forward: Picoseconds(seconds: share.forward * part),
        inputGradient: Picoseconds(seconds: share.inputGradient * part),
        weightGradient: Picoseconds(seconds: share.weightGradient * part))
      // Biases of heads lie where heads do, which context splits, too.
      return (share.block, passes, share.stored.shared(by: tensor * context))
    }
  }
}

extension MemoryUse {
  /// What each of `devices` holds at least of parameters that these hold together.
  func shared(by devices: Int) -> MemoryUse {
    var share = MemoryUse()
    share.weights = Bytes(weights.count / devices)
    share.gradients = Bytes(gradients.count / devices)
    share.optimizer = Bytes(optimizer.count / devices)
    return share
  }
}

extension PlanChoices {
  /// The first layout on one device; nil where there is none.
  static func ofOneDevice(_ training: TrainingGraph) -> PlanChoices? {
    LayoutCatalog.all.first.map { layout in
      PlanChoices(
        layout: layout.name,
        blocks: Dictionary(uniqueKeysWithValues: BlockClass.allCases.map { ($0, layout.name) }),
        mesh: Mesh([]), placement: [], sequenceParallel: false, gathersInputs: .saved,
        keyValue: .copied, microBatch: 1, microBatches: 1, layers: training.layers)
    }
  }
}

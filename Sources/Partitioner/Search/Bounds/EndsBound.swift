import PlanIR

/// What embedding and head compute of a micro-batch at least, and hold, however they are split.
///
/// Every layout computes the same operations, each on parts that make up the whole. So the device with the
/// largest parts takes an even share at least of what one device takes for what grows with the batch, its
/// products at full speed; and it launches as many kernels. What is sent comes on top. So, too, some device keeps an even
/// share of what the head keeps of a sequence: parts make up the whole, whether or not they are gathered again. So do those
/// of parameters.
struct EndsBound {
  private var embedding: [Bodies] = []
  private var head: [Bodies] = []
  /// Bytes that the head keeps of one sequence on one device.
  private var kept = 0
  /// What their parameters take on one device.
  private var stored = MemoryUse()

  /// A block on one device.
  private struct Bodies {
    let forward, inputGradient, weightGradient: BlockProfile.LeastWork

    init(_ profile: BlockProfile, _ cost: ClusterCost) {
      (forward, inputGradient, weightGradient) = profile.leastOfMicroBatch(cost)
    }
  }

  /// Of the ends of `request`'s model; nothing where kernels have measured times.
  init(_ request: SearchRequest, _ rates: ClusterRates) {
    let training = request.training
    guard let alone = PlanChoices.ofOneDevice(training) else { return }
    var templates = TemplateTable(training)
    let ends = training.groups.ends
    guard let lowered = try? templates.lowered(ends, alone) else { return }
    let cost = ClusterCost(rates, mesh: alone.mesh, placement: [])
    let layers = LayerRange(training.areLayers)
    for (place, profile) in zip(ends.places, lowered.profiles) {
      for _ in 0..<training.segments[place.segment].count { stored = stored + profile.stored }
      // As `EndsMemory` counts what comes after all layers.
      if layers.isBefore(place.segment) {
        kept += Self.kept(profile) * training.segments[place.segment].count
      }
      guard request.timings.isEmpty else { continue }
      let own = Bodies(profile, cost)
      if training.block(place).graph.blockClass == .head {
        head.append(own)
      } else {
        embedding.append(own)
      }
    }
  }

  /// Bytes that are kept of one sequence more.
  private static func kept(_ profile: BlockProfile) -> Int {
    let (one, two) = (profile.memory(1, isLast: false), profile.memory(2, isLast: false))
    return max(0, (two.kept[.none] ?? 0) - (one.kept[.none] ?? 0))
  }

  /// Bytes that the head keeps of `sequences` on some of `devices` together.
  func headBytes(_ sequences: Int, devices: Int) -> Int { kept * sequences / devices }

  /// Bytes that a device of one stage holds at least for them when the forward pass of micro-batches of `size` ends, where
  /// their parameters are sharded as `weights` say.
  func bytes(_ size: Int, data: Int, tensor: Int, _ weights: ShardedWeights) -> Int {
    stored.shared(by: tensor).bytes(sharding: weights, data: data)
      + headBytes(data * size, devices: data * tensor)
  }

  /// What embedding and head take of `sequences` on `devices` together.
  func all(_ sequences: Int, devices: Int) -> Picoseconds {
    passes(embedding + head, sequences, devices).all
  }

  /// The head of a micro-batch on the devices of one stage.
  func head(_ split: DeviceSplit, _ microBatch: Int) -> PassBound {
    passes(
      head, split.data * microBatch, split.data * split.context * split.tensor)
  }

  private func passes(_ blocks: [Bodies], _ sequences: Int, _ devices: Int) -> PassBound {
    func least(_ work: BlockProfile.LeastWork) -> Picoseconds {
      let share = work.seconds * Double(sequences) / Double(devices) * 0.999
      return max(Picoseconds(seconds: share), work.launches)
    }
    return blocks.reduce(PassBound()) { sum, block in
      sum
        + PassBound(
          forward: least(block.forward), inputGradient: least(block.inputGradient),
          weightGradient: least(block.weightGradient))
    }
  }
}

import PlanIR

/// What embedding and head compute of a micro-batch at least, and hold, however they are split.
///
/// Every layout computes the same operations, each on parts that make up the whole. So the device with the
/// largest parts takes an even share at least of what one device takes for what grows with the batch, its
/// products at full speed; and it launches as many kernels. What is sent comes on top. So, too, some device keeps an even
/// share of what the head keeps of a sequence: parts make up the whole, whether or not they are gathered again. So do those
/// of parameters.
struct EndsBound {
  private var embedding: [Work] = []
  private var head: [Work] = []
  /// Bytes that the head keeps of one sequence on one device.
  private var kept = 0
  /// What their parameters take on one device.
  private var stored = MemoryUse()

  /// A body of one device.
  private struct Work {
    /// Of one sequence.
    let seconds: Double
    let launches: Picoseconds
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
      let own = profile.leastOfMicroBatch(cost).map { Work(seconds: $0, launches: $1) }
      if training.block(place).graph.blockClass == .head { head += own } else { embedding += own }
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

  /// What the head takes of `sequences` on `devices` together.
  func head(_ sequences: Int, devices: Int) -> Picoseconds { least(head, sequences, devices) }

  /// What embedding and head take.
  func all(_ sequences: Int, devices: Int) -> Picoseconds {
    least(embedding, sequences, devices) + least(head, sequences, devices)
  }

  /// The head of a micro-batch on the devices of one stage.
  func head(_ split: DeviceSplit, _ microBatch: Int) -> Picoseconds {
    head(split.data * microBatch, devices: split.data * split.context * split.tensor)
  }

  private func least(_ bodies: [Work], _ sequences: Int, _ devices: Int) -> Picoseconds {
    bodies.reduce(.zero) { sum, body in
      let share = body.seconds * Double(sequences) / Double(devices) * 0.999
      return sum + max(Picoseconds(seconds: share), body.launches)
    }
  }
}

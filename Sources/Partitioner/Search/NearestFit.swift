import PlanIR

/// The changes nearest to what was asked under which a plan fits in memory, where none does: each found by a
/// search, which is given up where it is long.
struct NearestFit {
  private let request: SearchRequest

  init(_ request: SearchRequest) {
    var own = request
    (own.keep, own.keepsFront, own.exhaustive) = (1, false, false)
    (own.comparesLayouts, own.certifies, own.asksWhy) = (false, false, false)
    own.probe = Self.mostSeen
    self.request = own
  }

  /// How often devices are doubled at most.
  private static let mostDoublings = 6
  private static let mostDevices = 1 << 20
  /// What a search looks at before it is given up.
  private static let mostSeen = 10_000

  /// One reason for each change that there is, of which the plan that needs least takes `needed`.
  func reasons(needed: Bytes) -> [ConstraintViolation] {
    let devices = ConstraintViolation.nearest(
      "devices whose memory is enough", request.devices, moreDevices(needed), "--devices")
    let batch = ConstraintViolation.nearest(
      "global batch that fits", request.training.workload.globalBatch, smallerBatch,
      "--global-batch")
    return [devices, cluster, batch].compactMap(\.self) + unpinned
  }

  /// Whether a plan fits under a change; nil where that was too long to find out.
  private func fits(_ change: (inout SearchRequest) -> Void) -> Bool? {
    var other = request
    change(&other)
    let answer = Search.run(other)
    return answer.gaveUp ? nil : !answer.plans.isEmpty
  }

  /// The first doubling of the devices that is enough, of those that leave what is `needed` room if it is shared
  /// evenly. Threads of one machine share its memory: more of them have no more.
  private func moreDevices(_ needed: Bytes) -> Int? {
    guard request.cluster.sharedCores == nil else { return nil }
    var devices = request.devices
    for _ in 0..<Self.mostDoublings where devices <= Self.mostDevices / 2 {
      devices *= 2
      let share = Double(needed.count) * Double(request.devices) / Double(devices)
      if let limit = request.limit, share > Double(limit.count) { continue }
      guard let fits = fits({ $0.devices = devices }) else { return nil }
      if fits { return devices }
    }
    return nil
  }

  /// Of the clusters whose devices have more memory the one with least on which as many devices are enough.
  private var cluster: ConstraintViolation? {
    guard request.memory == .device, let limit = request.limit else { return nil }
    func room(_ cluster: Cluster) -> Bytes { cluster.device.memory - cluster.device.reserved }
    let larger = (request.otherClusters?() ?? [])
      .filter { $0.sharedCores == nil && room($0) > limit }
      .sorted { (room($0), $0.name) < (room($1), $1.name) }
    return larger.first { other in fits { $0.cluster = other } ?? false }.map { other in
      ConstraintViolation(
        constraint: "cluster whose memory is enough", found: request.cluster.name,
        needed: other.name, remedy: "--cluster \(other.name)")
    }
  }

  /// The largest batch made by halving that fits, if the smallest does.
  private var smallerBatch: Int? {
    var halves: [Int] = []
    var batch = request.training.workload.globalBatch
    while batch % 2 == 0 {
      batch /= 2
      halves.append(batch)
    }
    func fits(_ batch: Int) -> Bool {
      self.fits { $0.training = $0.training.withBatch(batch) } ?? false
    }
    guard let last = halves.indices.last, fits(halves[last]) else { return nil }
    return halves[(0..<last).first(toMeet: { fits(halves[$0]) })]
  }

  /// Pins without which a plan fits, each alone.
  private var unpinned: [ConstraintViolation] {
    let pins = request.pins
    var found: [ConstraintViolation] = []
    func tryWithout<Value>(
      _ flag: String, _ pin: WritableKeyPath<Pins, Value?>, _ text: (Value) -> String
    ) {
      guard let value = pins[keyPath: pin], fits({ $0.pins[keyPath: pin] = nil }) == true
      else { return }
      found.append(
        ConstraintViolation(
          constraint: "a pin that fits", found: "\(flag) \(text(value))", needed: "another",
          remedy: "no \(flag)"))
    }
    tryWithout("--micro-batch", \.microBatch, String.init)
    tryWithout("--recompute", \.recompute, \.rawValue)
    tryWithout("--zero", \.zero, String.init)
    tryWithout("--pipeline", \.pipeline, String.init)
    tryWithout("--tensor", \.tensor, String.init)
    tryWithout("--data", \.data, String.init)
    tryWithout("--context", \.context, String.init)
    if pins.mesh == nil { tryWithout("--layout", \.layout, \.rawValue) }
    return found
  }
}

import PlanIR

/// The mesh, the device count and the global batch nearest to those asked under which the pins leave a plan,
/// whatever the memory, where nothing divides: each found by a search for the one way to divide it that is named.
struct NearestSizes {
  private let request: SearchRequest
  private let space: CandidateSpace
  private var units: MeshUnits
  private let devices, batch: Int
  /// Searches that may still come to nothing.
  private var patience = Self.mostInVain
  private static let mostInVain = 16
  /// What one of them looks at before it is given up.
  private static let mostSeen = 10_000

  init(_ request: SearchRequest) {
    self.request = request
    space = CandidateSpace(request)
    units = MeshUnits(space)
    devices = request.devices
    batch = request.training.workload.globalBatch
  }

  /// Counts of devices, or ways to divide them, that are looked at.
  private static let mostTried = 65_536
  /// Stages that are tried, and devices of a tensor mesh unless it is pinned: of a vast cluster, which has too many
  /// shapes, no more than most heads.
  private static let mostStages = 1 << 10
  private var largestTensor: Int { devices > 1 << 14 ? 1 << 8 : 1 << 12 }

  private var pins: Pins { request.pins }

  /// One reason for each of the three that there is.
  mutating func reasons() -> [ConstraintViolation] {
    let mesh = nearestMesh()
    beginNext()
    let nearestDevices = nearestDevices()
    beginNext()
    return [
      mesh, .nearest("devices that divide", devices, nearestDevices, "--devices"),
      .nearest("global batch that divides", batch, nearestBatch(), "--global-batch"),
    ].compactMap(\.self)
  }

  /// Begins with another of the three.
  private mutating func beginNext() {
    units.refill()
    patience = Self.mostInVain
  }

  // MARK: - Ways to divide

  /// Devices split, with a form of the tensor mesh.
  private struct Way {
    let split: DeviceSplit
    let shape: LayoutShape
    /// Micro-batches are multiples of as many sequences.
    let unit: Int
  }

  /// What a batch is a multiple of on `split` in micro-batches of multiples of `unit` sequences; nil where what is
  /// pinned is none.
  private func multiple(_ split: DeviceSplit, unit: Int) -> Int? {
    if let pinned = pins.microBatch, pinned % unit != 0 { return nil }
    // Every stage takes as many micro-batches of each chunk.
    let isInterleaved = pins.schedule == .interleaved || (pins.interleave ?? 1) > 1
    let rounds = isInterleaved ? split.stages : 1
    return product([split.data, pins.microBatch ?? unit, rounds])
  }

  private func product(_ factors: [Int]) -> Int? {
    factors.reduce(1 as Int?) { product, factor in
      product.flatMap { $0 <= PlanLimits.sequences / factor ? $0 * factor : nil }
    }
  }

  /// The ways to split `devices` that the pins leave, whether or not anything else divides; with a tensor mesh of as
  /// many devices as is pinned, or `tensor`.
  private func splits(of devices: Int, tensor: Int? = nil) -> [DeviceSplit] {
    var other = space
    other.take(devices: devices)
    let wanted = tensor ?? pinnedTensor
    return other.stageCounts.filter { devices % $0 == 0 }.flatMap { stages in
      other.contexts.filter { devices / stages % $0 == 0 && sequence % $0 == 0 }.flatMap {
        context in
        let rest = devices / stages / context
        return divisors(of: rest)
          .filter { tensor in wanted.map { $0 == tensor } ?? (tensor <= largestTensor) }
          .map {
            DeviceSplit(data: rest / $0, stages: stages, context: context, tensor: $0)
          }
      }
    }
    .filter { split in pins.data.map { $0 == split.data } ?? true }
  }

  private var pinnedTensor: Int? { pins.tensor ?? pins.mesh?.reduce(1, *) }

  /// Whether a search finds a plan of that way.
  private mutating func hasPlan(_ way: Way, batch: Int) -> Bool {
    guard patience > 0 else { return false }
    var other = request
    other.devices = way.split.data * way.split.stages * way.split.context * way.split.tensor
    other.training = request.training.withBatch(batch)
    (other.memory, other.objective, other.keep) = (.unlimited, .time, 1)
    (other.keepsFront, other.exhaustive, other.certifies) = (false, false, false)
    (other.comparesLayouts, other.asksWhy) = (false, false)
    (other.pins.data, other.pins.pipeline) = (way.split.data, way.split.stages)
    (other.pins.context, other.pins.tensor) = (way.split.context, way.split.tensor)
    other.pins.microBatch = pins.microBatch ?? way.unit
    if way.split.stages > 1 && pins.schedule == nil && pins.interleave == nil {
      other.pins.schedule = .gpipe
    }
    if pins.layout != .mixed {
      (other.pins.layout, other.pins.mesh) = (way.shape.layout, way.shape.degrees)
      other.probe = Self.mostSeen
    }
    let found = !Search.run(other).plans.isEmpty
    if !found { patience -= 1 }
    return found
  }

  /// Whether `batch` has a plan on `split`.
  private mutating func divides(_ batch: Int, _ split: DeviceSplit) -> Bool {
    for open in units.shapes(tensor: split.tensor)
    where divides(batch, split, unit: open.parts) && divides(batch, split, open.shape) {
      return true
    }
    return false
  }

  /// The same with a tensor mesh of `shape`.
  private mutating func divides(
    _ batch: Int, _ split: DeviceSplit, _ shape: LayoutShape
  ) -> Bool {
    for unit in units.units(shape, context: split.context)
    where divides(batch, split, unit: unit)
      && hasPlan(Way(split: split, shape: shape, unit: unit), batch: batch)
    {
      return true
    }
    return false
  }

  private func divides(_ batch: Int, _ split: DeviceSplit, unit: Int) -> Bool {
    multiple(split, unit: unit).map { batch % $0 == 0 } ?? false
  }

  // MARK: - Devices

  private mutating func nearestDevices() -> Int? {
    guard batch % (pins.microBatch ?? 1) == 0 else { return nil }
    let ordered = counts().filter { $0 != devices }
      .sorted { (abs($0 - devices), $0) < (abs($1 - devices), $1) }
    for count in ordered.prefix(Self.mostTried) where !units.isExhausted {
      for split in splits(of: count) where divides(batch, split) { return count }
    }
    return nil
  }

  /// The counts of devices that are products of degrees which divide what they split, as far as that is known before
  /// anything is lowered.
  private func counts() -> Set<Int> {
    let training = request.training
    let tensors = (1...max(256, min(2 * devices, largestTensor))).filter(mayBeTensor)
    let stages = 1...min(training.layers + 2, Self.mostStages)
    let factors = [
      pins.data.map { [$0] } ?? divisors(of: batch),
      pins.context.map { [$0] } ?? (space.isFlat ? [1] : divisors(of: sequence)),
      pinnedTensor.map { [$0] } ?? tensors,
      pins.pipeline.map { [$0] } ?? (space.isFlat ? [1] : Array(stages)),
    ]
    return factors.reduce([1]) { products, factors in
      products.reduce(into: []) { found, product in
        for factor in factors where product <= PlanLimits.devices / factor {
          found.insert(product * factor)
        }
      }
    }
  }

  /// Whether a degree is made of factors of what a tensor mesh may split.
  private func mayBeTensor(_ degree: Int) -> Bool {
    let sizes = request.training.sizes
    var rest = degree
    for size in [batch, sequence, sizes[.hidden], sizes[.heads], sizes[.headWidth], sizes[.wide]] {
      var common = greatestCommonDivisor(rest, size)
      while common > 1 {
        rest /= common
        common = greatestCommonDivisor(rest, common)
      }
    }
    return rest == 1
  }

  private var sequence: Int { request.training.workload.sequence }

  // MARK: - Batch

  /// Every way to divide the devices has its multiples: those nearest are looked at first, and what the mesh needs
  /// of a batch is asked for then.
  private mutating func nearestBatch() -> Int? {
    var heap = BoundHeap<Near>()
    func near(_ split: DeviceSplit, unit: Int) -> [(batch: Int, bound: Int)] {
      guard let multiple = multiple(split, unit: unit) else { return [] }
      let below = batch / multiple * multiple
      return [below == batch ? below - multiple : below, below + multiple].filter {
        $0 > 0 && $0 != batch && $0 <= PlanLimits.sequences
      }
      .map { ($0, 2 * abs($0 - batch) + ($0 > batch ? 1 : 0)) }
    }
    func push(_ next: Near, _ split: DeviceSplit, unit: Int) {
      if let bound = near(split, unit: unit).map(\.bound).min() { heap.push(next, bound: bound) }
    }
    for split in splits(of: devices) { push(.split(split), split, unit: pins.microBatch ?? 1) }
    for _ in 0..<Self.mostTried where !units.isExhausted {
      guard let (next, _) = heap.pop() else { return nil }
      switch next {
      case .split(let split):
        for open in units.shapes(tensor: split.tensor) {
          push(.shape(split, open.shape), split, unit: open.parts)
        }
      case .shape(let split, let shape):
        for unit in units.units(shape, context: split.context) {
          for (batch, bound) in near(split, unit: unit) {
            heap.push(.batch(batch, Way(split: split, shape: shape, unit: unit)), bound: bound)
          }
        }
      case .batch(let near, let way):
        if hasPlan(way, batch: near) { return near }
      }
    }
    return nil
  }

  private enum Near {
    /// Of a split, whatever its mesh needs; of a shape, whatever its forms need.
    case split(DeviceSplit)
    case shape(DeviceSplit, LayoutShape)
    case batch(Int, Way)
  }

  // MARK: - Meshes

  /// The mesh of the pinned layout nearest to the pinned one: on as many devices if one of more than
  /// one device divides there, else on others.
  private mutating func nearestMesh() -> ConstraintViolation? {
    guard let pinned = pins.mesh,
      let layout = LayoutCatalog.all.first(where: { $0.name == pins.layout })
    else { return nil }
    let size = pinned.reduce(1, *)
    let asked = devices
    let same = pins.data == nil ? divisors(of: devices).filter { $0 > 1 } : [size]
    if let shape = nearest(to: pinned, layout, counts: same, devices: { _ in asked }) {
      return meshReason(pinned, shape, remedy: "--mesh \(shape.text)")
    }
    let data = pins.data ?? 1
    let other = Array(2...max(2, min(2 * size, largestTensor)))
    guard let shape = nearest(to: pinned, layout, counts: other, devices: { $0 * data }) else {
      return nil
    }
    return meshReason(
      pinned, shape, remedy: "--mesh \(shape.text) --devices \(shape.devices * data)")
  }

  private func meshReason(
    _ pinned: [Int], _ shape: LayoutShape, remedy: String
  ) -> ConstraintViolation {
    ConstraintViolation(
      constraint: "a mesh that divides", found: pinned.map(String.init).joined(separator: "x"),
      needed: shape.text, remedy: remedy)
  }

  private mutating func nearest(
    to pinned: [Int], _ layout: any Layout, counts: [Int], devices: (Int) -> Int
  ) -> LayoutShape? {
    let shapes = counts.flatMap { LayoutShape.all(layout, devices: $0) }
      .filter { $0.degrees != pinned }
      .sorted { (distance($0, pinned), $0.text) < (distance($1, pinned), $1.text) }
    for shape in shapes {
      for split in splits(of: devices(shape.devices), tensor: shape.devices)
      where divides(batch, split, shape) {
        return shape
      }
    }
    return nil
  }

  /// How far a shape is from another: first in devices, then in degrees, each by its ratio.
  private func distance(_ shape: LayoutShape, _ pinned: [Int]) -> Double {
    func ratio(_ first: Int, _ second: Int) -> Double {
      Double(max(first, second)) / Double(min(first, second))
    }
    let degrees = zip(shape.degrees, pinned).reduce(1) { $0 * ratio($1.0, $1.1) }
    return 1000 * ratio(shape.devices, pinned.reduce(1, *)) + degrees
  }
}

extension ConstraintViolation {
  /// The size nearest to what was `found` that will do, as `flag` takes it; nil where there is none.
  static func nearest(
    _ constraint: String, _ found: Int, _ needed: Int?, _ flag: String
  ) -> ConstraintViolation? {
    needed.map {
      ConstraintViolation(
        constraint: constraint, found: "\(found)", needed: "\($0)", remedy: "\(flag) \($0)")
    }
  }
}

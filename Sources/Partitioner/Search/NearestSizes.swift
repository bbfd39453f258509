import PlanIR

/// The mesh, the device count and the global batch nearest to those asked under which the pins leave a plan,
/// whatever the memory, where nothing divides: each found by a search for the one way to divide it that is named.
struct NearestSizes {
  private let request: SearchRequest
  private let space: CandidateSpace
  private var units: MeshUnits
  private let devices, batch: Int
  /// Searches that may still come to nothing.
  private var patience = 16

  init(_ request: SearchRequest) {
    self.request = request
    space = CandidateSpace(request)
    units = MeshUnits(space)
    devices = request.devices
    batch = request.training.workload.globalBatch
  }

  /// Counts of devices, or ways to divide them, that are looked at.
  private static let mostTried = 65_536
  /// Devices of a tensor mesh, beyond the heads of any model.
  private static let largestTensor = 256
  private static let largestBatch = 1 << 24

  private var pins: Pins { request.pins }

  /// One reason for each of the three that there is.
  mutating func reasons() -> [ConstraintViolation] {
    let mesh = nearestMesh()
    units.refill()
    let nearestDevices = nearestDevices()
    units.refill()
    return [
      mesh, .nearest("devices that divide", devices, nearestDevices, "--devices"),
      .nearest("global batch that divides", batch, nearestBatch(), "--global-batch"),
    ].compactMap(\.self)
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
      product.flatMap { $0 <= Self.largestBatch / factor ? $0 * factor : nil }
    }
  }

  /// The ways to split `devices` that the pins leave, whether or not anything else divides.
  private func splits(of devices: Int) -> [DeviceSplit] {
    var other = space
    other.take(devices: devices)
    return other.stageCounts.filter { devices % $0 == 0 }.flatMap { stages in
      other.contexts.filter { devices / stages % $0 == 0 && sequence % $0 == 0 }.flatMap {
        context in
        let rest = devices / stages / context
        return divisors(of: rest).filter { $0 <= Self.largestTensor }.map {
          DeviceSplit(data: rest / $0, stages: stages, context: context, tensor: $0)
        }
      }
    }
    .filter { split in
      pins.data.map { $0 == split.data } ?? true
        && pins.tensor.map { $0 == split.tensor } ?? true
        && pins.mesh.map { $0.reduce(1, *) == split.tensor } ?? true
    }
  }

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
    if pins.layout != .mixed {
      (other.pins.layout, other.pins.mesh) = (way.shape.layout, way.shape.degrees)
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
    let tensors = (1...Self.largestTensor).filter(mayBeTensor)
    let factors = [
      pins.data.map { [$0] } ?? divisors(of: batch),
      pins.context.map { [$0] } ?? (space.isFlat ? [1] : divisors(of: sequence)),
      (pins.tensor ?? pins.mesh?.reduce(1, *)).map { [$0] } ?? tensors,
      pins.pipeline.map { [$0] } ?? (space.isFlat ? [1] : Array(1...training.layers + 2)),
    ]
    return factors.reduce([1]) { products, factors in
      products.reduce(into: []) { found, product in
        for factor in factors where product <= CandidateSpace.mostDevices / factor {
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
      return [below, below + multiple].filter { $0 > 0 && $0 != batch && $0 <= Self.largestBatch }
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
    let other = Array(2...max(2, min(2 * size, Self.largestTensor)))
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
      for split in splits(of: devices(shape.devices), shape) where divides(batch, split, shape) {
        return shape
      }
    }
    return nil
  }

  /// The ways to split `devices` that have a tensor mesh of `shape`.
  private func splits(of devices: Int, _ shape: LayoutShape) -> [DeviceSplit] {
    var other = self.space
    other.take(devices: devices)
    return other.stageCounts.flatMap { stages in
      other.contexts.compactMap { context in
        let each = stages * context * shape.devices
        guard devices % each == 0, pins.data.map({ $0 == devices / each }) ?? true else {
          return nil
        }
        return DeviceSplit(
          data: devices / each, stages: stages, context: context, tensor: shape.devices)
      }
    }
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

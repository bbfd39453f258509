import PlanIR

/// The mesh, the device count and the global batch nearest to those asked that the pins leave a plan
/// for, where nothing divides.
struct NearestSizes {
  private let request: SearchRequest
  private let devices, batch: Int
  /// What a batch must be divisible by on one replica of each tensor mesh; nil where nothing splits.
  private var known: [Tensor: Int?] = [:]
  private var templates: TemplateTable

  private struct Split {
    let data: Int
    let tensor: Tensor
  }

  private struct Tensor: Hashable {
    let size: Int
    let mesh: [Int]?
  }

  init(_ request: SearchRequest) {
    self.request = request
    devices = request.devices
    batch = request.training.workload.globalBatch
    templates = TemplateTable(request.training)
  }

  /// Tensor degrees that are tried, beyond the most heads of any model.
  private static let largestTensor = 256
  private static let largestBatch = 1 << 24

  private var pins: Pins { request.pins }
  private var microBatch: Int { pins.microBatch ?? 1 }
  /// Devices along the axes that are taken as pinned.
  private var outer: Int { (pins.pipeline ?? 1) * (pins.context ?? 1) }
  private var pinnedTensor: Int? { pins.tensor ?? pins.mesh?.reduce(1, *) }

  /// One reason for each of the three that there is.
  mutating func reasons() -> [ConstraintViolation] {
    let mesh = nearestMesh()
    let nearestDevices = nearest(to: devices, deviceCounts())
    let nearestBatch = nearest(to: batch, batches())
    return [
      mesh,
      .nearest("devices that divide", devices, nearestDevices, "--devices"),
      .nearest("global batch that divides", batch, nearestBatch, "--global-batch"),
    ].compactMap(\.self)
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
      let data = devices(shape.devices) / shape.devices
      if pins.data.map({ $0 == data }) ?? true, divides(batch, data: data, shape) { return shape }
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

  private mutating func divides(_ batch: Int, data: Int, _ shape: LayoutShape) -> Bool {
    guard batch % (data * microBatch) == 0 else { return false }
    let multiple = multiple(
      Split(data: data, tensor: Tensor(size: shape.devices, mesh: shape.degrees)))
    return multiple.map {
      batch % $0 == 0 && (pins.microBatch == nil || data * microBatch % $0 == 0)
    }
      ?? false
  }

  // MARK: - Sizes

  private struct Candidate {
    var size: Int
    var split: Split
    /// The batch it is for.
    var batch: Int
  }

  /// For each tensor degree the nearest count with a data degree that divides the batch.
  private func deviceCounts() -> [Candidate] {
    guard batch % microBatch == 0 else { return [] }
    let degrees = divisors(of: batch / microBatch)
      .filter { degree in pins.data.map { $0 == degree } ?? true }
    let tensors = pinnedTensor.map { $0...$0 } ?? 1...Self.largestTensor
    return tensors.flatMap { tensor in
      degrees.map {
        Candidate(
          size: $0 * tensor * outer,
          split: Split(data: $0, tensor: Tensor(size: tensor, mesh: pins.mesh)), batch: batch)
      }
      .filter { $0.size <= 1 << 24 }
      .sorted { abs($0.size - devices) < abs($1.size - devices) }.prefix(2)
    }
  }

  /// For each split of the devices the multiples around the batch of what the split needs.
  private mutating func batches() -> [Candidate] {
    var found: [Candidate] = []
    for tensor in divisors(of: devices / outer) {
      let data = devices / outer / tensor
      guard pinnedTensor.map({ $0 == tensor }) ?? true, pins.data.map({ $0 == data }) ?? true
      else { continue }
      let split = Split(data: data, tensor: Tensor(size: tensor, mesh: pins.mesh))
      let (unit, overflow) = data.multipliedReportingOverflow(by: microBatch)
      guard !overflow, unit <= Self.largestBatch, let multiple = multiple(split) else { continue }
      let each = leastCommonMultiple(unit, multiple)
      let below = batch / each * each
      found += [below, below + each].map { Candidate(size: $0, split: split, batch: $0) }
    }
    return found
  }

  private mutating func nearest(to asked: Int, _ candidates: [Candidate]) -> Int? {
    let ordered = candidates.filter { $0.size > 0 && $0.size != asked }
      .sorted { (abs($0.size - asked), $0.size) < (abs($1.size - asked), $1.size) }
    for candidate in ordered {
      guard let multiple = multiple(candidate.split), candidate.batch % multiple == 0,
        pins.microBatch == nil || candidate.split.data * microBatch % multiple == 0
      else { continue }
      return candidate.size
    }
    return nil
  }

  /// The least that a batch must be divisible by under a split of devices, over what the pins leave.
  private mutating func multiple(_ split: Split) -> Int? {
    // Replicas split the batch before all else, and nothing but the batch.
    multiple(split.tensor).map { $0 * split.data }
  }

  /// The same on one replica.
  private mutating func multiple(_ tensor: Tensor) -> Int? {
    if let found = known[tensor] { return found }
    var other = request
    other.devices = tensor.size * outer
    (other.pins.tensor, other.pins.data, other.pins.microBatch) = (tensor.size, 1, 1)
    other.pins.mesh = tensor.mesh
    other.training = request.training.withBatch(tensor.size)
    other.pins.pipeline = pins.pipeline ?? 1
    other.pins.context = pins.context ?? 1
    var space = CandidateSpace(other)
    var least: Int?
    for own in space.splits() {
      for shape in space.shapes(tensor: own.tensor) {
        let variants = space.variants(shape, own)
        guard let first = variants.first, LayoutProbe.indivisible(first, other.training) == nil
        else { continue }
        for choices in variants where least != 1 {
          least = multiple(choices).map { min(least ?? $0, $0) } ?? least
        }
      }
    }
    known[tensor] = .some(least)
    return least
  }

  /// What the batch must be divisible by under `choices`; nil where something else does not divide.
  private mutating func multiple(_ choices: PlanChoices) -> Int? {
    let groups = request.training.groups
    var multiple = 1
    for group in groups.layers + [groups.ends] {
      guard let lowered = try? templates.lowered(group, choices) else { return nil }
      multiple = leastCommonMultiple(multiple, lowered.unit)
    }
    return multiple
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

import PlanIR

/// The device count and the global batch nearest to those asked that the pins leave a plan for,
/// where nothing divides.
struct NearestSizes {
  private let request: SearchRequest
  private let devices, batch: Int
  /// Whether a tensor degree divides what its layout splits.
  private var splits: [Int: Bool] = [:]

  init(_ request: SearchRequest) {
    self.request = request
    devices = request.devices
    batch = request.training.workload.globalBatch
  }

  /// Tensor degrees that are tried, beyond the most heads of any model.
  private static let largestTensor = 256
  private static let largestBatch = 1 << 24

  private var pins: Pins { request.pins }
  private var microBatch: Int { pins.microBatch ?? 1 }

  /// One reason for each of the two that there is.
  mutating func reasons() -> [ConstraintViolation] {
    let nearestDevices = nearest(to: devices, deviceCounts())
    let nearestBatch = nearest(to: batch, batches())
    return [
      reason("devices that divide", devices, nearestDevices, "--devices"),
      reason("global batch that divides", batch, nearestBatch, "--global-batch"),
    ].compactMap(\.self)
  }

  private func reason(
    _ constraint: String, _ found: Int, _ needed: Int?, _ flag: String
  ) -> ConstraintViolation? {
    needed.map {
      ConstraintViolation(
        constraint: constraint, found: "\(found)", needed: "\($0)", remedy: "\(flag) \($0)")
    }
  }

  private struct Candidate {
    var size, tensor: Int
  }

  /// For each tensor degree the nearest count with a data degree that divides the batch.
  private func deviceCounts() -> [Candidate] {
    guard batch % microBatch == 0 else { return [] }
    let degrees = divisors(of: batch / microBatch)
      .filter { degree in pins.data.map { $0 == degree } ?? true }
    let tensors = pins.tensor.map { $0...$0 } ?? 1...Self.largestTensor
    return tensors.compactMap { tensor in
      degrees.map { Candidate(size: $0 * tensor, tensor: tensor) }
        .filter { $0.size <= 1 << 24 }
        .min { abs($0.size - devices) < abs($1.size - devices) }
    }
  }

  /// For each split of the devices the multiples of its data degree around the batch.
  private func batches() -> [Candidate] {
    divisors(of: devices).flatMap { tensor -> [Candidate] in
      let data = devices / tensor
      guard pins.tensor.map({ $0 == tensor }) ?? true, pins.data.map({ $0 == data }) ?? true
      else { return [] }
      let (unit, overflow) = data.multipliedReportingOverflow(by: microBatch)
      guard !overflow, unit <= Self.largestBatch else { return [] }
      let below = batch / unit * unit
      return [below, below + unit].map { Candidate(size: $0, tensor: tensor) }
    }
  }

  private mutating func nearest(to asked: Int, _ candidates: [Candidate]) -> Int? {
    let ordered = candidates.filter { $0.size > 0 && $0.size != asked }
      .sorted { (abs($0.size - asked), $0.size) < (abs($1.size - asked), $1.size) }
    for candidate in ordered where splits(candidate.tensor) { return candidate.size }
    return nil
  }

  private mutating func splits(_ tensor: Int) -> Bool {
    if let known = splits[tensor] { return known }
    var other = request
    other.devices = tensor
    (other.pins.tensor, other.pins.data, other.pins.microBatch) = (tensor, 1, 1)
    var space = CandidateSpace(other)
    let isSplit = space.candidates().contains { (try? Lowering(request.training, $0)) != nil }
    splits[tensor] = isSplit
    return isSplit
  }
}

package import PlanIR

/// Every candidate that the pins leave, in a fixed order.
///
/// Where points coincide they are one, named as pinned: a tensor degree of 1 is `data` unless
/// Megatron is pinned, what is never gathered is `saved` unless gathering again is, key/value heads
/// that are never copied are `copied`.
struct CandidateSpace {
  let request: SearchRequest
  private(set) var violations: [ConstraintViolation] = []

  init(_ request: SearchRequest) { self.request = request }

  private var pins: Pins { request.pins }

  /// The candidates; what stands in the way of each excluded family goes to ``violations``.
  mutating func candidates() -> [PlanChoices] {
    for violation in PinRules.unbuilt(pins) { violations.append(violation) }
    guard violations.isEmpty else { return [] }
    guard pinsMultiply() else { return [] }
    var result: [PlanChoices] = []
    for tensor in divisors(of: request.devices) where pins.tensor.map({ $0 == tensor }) ?? true {
      let data = request.devices / tensor
      guard pins.data.map({ $0 == data }) ?? true else { continue }
      result += candidates(data: data, tensor: tensor)
    }
    if result.isEmpty && violations.isEmpty { violations.append(nothingDivides()) }
    return result
  }

  private mutating func pinsMultiply() -> Bool {
    let tensor = pins.tensor ?? 1
    let data = pins.data ?? 1
    let isWhole = pins.tensor != nil && pins.data != nil
    let product = tensor * data
    if isWhole ? product == request.devices : request.devices % product == 0 { return true }
    violations.append(
      ConstraintViolation(
        constraint: "data x pipeline x context x tensor mesh = devices",
        found: "\(data) x \(tensor) = \(product)",
        needed: isWhole ? "\(request.devices)" : "a divisor of \(request.devices)",
        remedy: "--devices \(product * max(1, request.devices / max(product, 1)))"))
    return false
  }

  private mutating func candidates(data: Int, tensor: Int) -> [PlanChoices] {
    let batch = request.training.workload.globalBatch
    guard batch % data == 0 else {
      let below = batch / data * data
      let nearest = below > 0 ? "\(below) or \(below + data)" : "\(data)"
      violations.append(
        ConstraintViolation(
          constraint: "global batch divisible by data", found: "\(batch) over data \(data)",
          needed: "\(batch) % \(data) == 0", remedy: "--global-batch \(nearest)"))
      return []
    }
    guard let layout = layoutName(tensor: tensor) else { return [] }
    let microBatches = divisors(of: batch / data)
      .filter { size in pins.microBatch.map { $0 == size } ?? true }
    if microBatches.isEmpty, let pinned = pins.microBatch {
      violations.append(
        ConstraintViolation(
          constraint: "global batch = data x micro_batch x micro_batches",
          found: "\(batch) = \(data) x \(pinned) x ?", needed: "\(batch / data) % \(pinned) == 0",
          remedy: "--micro-batch \(divisors(of: batch / data).last { $0 <= pinned } ?? 1)"))
    }
    return variants(layout, tensor: tensor).flatMap { variant in
      microBatches.map { size in
        choices(layout, data, tensor, variant, size, batch / data / size)
      }
    }
  }

  private mutating func layoutName(tensor: Int) -> LayoutName? {
    switch pins.layout {
    case .data?:
      if tensor == 1 { return .data }
      if pins.tensor == nil { return nil }
      violations.append(
        ConstraintViolation(
          constraint: "layout data has no tensor axis", found: "tensor \(tensor)", needed: "1",
          remedy: "--layout megatron"))
      return nil
    case .megatron?: return .megatron
    default: return tensor == 1 && pins.sequenceParallel != true ? .data : .megatron
    }
  }

  private struct Variant {
    var sequenceParallel: Bool
    var gathersInputs: GatherChoice
    var keyValue: KeyValueForm
  }

  private func variants(_ layout: LayoutName, tensor: Int) -> [Variant] {
    let sizes = request.training.model.sizes
    let hasCopies = tensor > 1 && sizes[.keyValueHeads] % tensor != 0
    let forms: [KeyValueForm] = hasCopies ? [.copied, .gathered] : [.copied]
    let sequence = pins.sequenceParallel.map { [$0] } ?? (tensor > 1 ? [false, true] : [false])
    return sequence.flatMap { isSequence -> [Variant] in
      let all: [GatherChoice] = isSequence && tensor > 1 ? [.saved, .again] : [.saved]
      let gathers = pins.gathersInputs.map { [$0] } ?? all
      return gathers.flatMap { gather in
        forms.map {
          Variant(sequenceParallel: isSequence, gathersInputs: gather, keyValue: $0)
        }
      }
    }
  }

  private func choices(
    _ layout: LayoutName, _ data: Int, _ tensor: Int, _ variant: Variant, _ microBatch: Int,
    _ microBatches: Int
  ) -> PlanChoices {
    let mesh = Mesh([MeshAxis("data", data), MeshAxis("tensor", tensor)])
    var choices = PlanChoices(
      layout: layout,
      blocks: Dictionary(uniqueKeysWithValues: BlockClass.allCases.map { ($0, layout) }),
      mesh: mesh,
      placement: Placement.innermostFirst(mesh, perNode: request.cluster.devicesPerNode),
      sequenceParallel: variant.sequenceParallel, gathersInputs: variant.gathersInputs,
      keyValue: variant.keyValue, microBatch: microBatch, microBatches: microBatches,
      layers: request.training.model.layers)
    choices.gathersWeights = pins.gathersWeights ?? choices.gathersWeights
    return choices
  }

  private func nothingDivides() -> ConstraintViolation {
    ConstraintViolation(
      constraint: "data x tensor = devices", found: "no split of \(request.devices) is left",
      needed: "a layout for it", remedy: "fewer pins")
  }
}

/// Which pins this version cannot meet.
enum PinRules {
  static func unbuilt(_ pins: Pins) -> [ConstraintViolation] {
    var found: [ConstraintViolation] = []
    func refuse(_ condition: Bool, _ what: String, _ remedy: String) {
      guard condition else { return }
      found.append(
        ConstraintViolation(
          constraint: "\(what) is not built in this version", found: what,
          needed: "a choice that is built", remedy: remedy))
    }
    let layouts: [LayoutName?] = [nil, .data, .megatron]
    refuse(
      !layouts.contains(pins.layout), "layout \(pins.layout?.rawValue ?? "")",
      "--layout megatron")
    refuse(pins.mesh != nil && layouts.contains(pins.layout), "--mesh", "--tensor T")
    refuse((pins.pipeline ?? 1) > 1, "pipeline parallelism", "--pipeline 1")
    refuse((pins.context ?? 1) > 1, "context parallelism", "--context 1")
    refuse((pins.zero ?? 0) > 0, "a sharded optimizer (--zero \(pins.zero ?? 0))", "--zero 0")
    refuse(
      (pins.recompute ?? .none) != .none,
      "recomputation (--recompute \(pins.recompute?.rawValue ?? ""))", "--recompute none")
    refuse((pins.schedule ?? .none) != .none, "pipeline schedules", "no --schedule")
    refuse((pins.interleave ?? 1) > 1, "interleaving", "--interleave 1")
    refuse((pins.matmul ?? .gathered) != .gathered, "stepped matmuls", "--matmul gathered")
    return found
  }
}

/// How mesh axes lie over nodes.
package enum Placement {
  /// Consecutive devices share nodes: minor axes lie inside first, as far as they divide a node.
  package static func innermostFirst(_ mesh: Mesh, perNode: Int) -> [AxisPlacement] {
    var room = perNode
    var result: [AxisPlacement] = []
    for axis in mesh.axes.reversed() {
      let inside = greatestCommonDivisor(axis.size, max(room, 1))
      result.append(
        AxisPlacement(
          axis: axis.name, insideNode: inside, acrossNodes: axis.size / inside))
      room = inside == axis.size ? room / inside : 1
    }
    return result.reversed()
  }
}

/// The divisors of `number`, in ascending order.
func divisors(of number: Int) -> [Int] {
  guard number > 0 else { return [] }
  var small: [Int] = []
  var large: [Int] = []
  var candidate = 1
  while candidate * candidate <= number {
    if number % candidate == 0 {
      small.append(candidate)
      if candidate * candidate != number { large.append(number / candidate) }
    }
    candidate += 1
  }
  return small + large.reversed()
}

import Partitioner
import PlanIR

/// Programs whose kernels are worth measuring for a model: the best of each of some layouts on 1 to 16
/// devices, with fused attention, and on up to 4 without it and with plain gradient descent; of attention and
/// optimizer only the one that is asked for.
///
/// Layouts are searched one by one, without stages and context axes: on so few devices mixtures and
/// stages compute on the same parts of tensors. What a plan of threads computes beside is measured by its search, of
/// kernels that some plan of threads has, though none that is best, a few where ``everyKind`` are wanted.
struct CalibrationPrograms {
  let model: Model
  /// What is asked for.
  var workload = WorkloadOverrides()
  /// The name of the cluster that plans are made for.
  var cluster = "local"
  /// What values are stored in; nil for what the model asks for.
  var precision: Precision?
  /// Sequences of a micro-batch; nil for what is best.
  var microBatch: Int?
  /// Whether what the best plans have no kernels of is among them: loops over panels, attention round a ring.
  var everyKind = false

  private static let layouts: [LayoutName] = [.data, .megatron, .summa, .sequence]
  private static let plansEach = 3

  func all() throws -> [Program] {
    var first = workload
    if let precision { first.precision = precision }
    let programs =
      try programs(first, devices: [1, 2, 4, 8, 16]) + (everyKind ? others(first) : [])
    var other = first
    if other.attention == nil { other.attention = .unfused }
    if other.optimizer == nil { other.optimizer = .sgd }
    return try other == first ? programs : programs + self.programs(other, devices: [1, 2, 4])
  }

  private func programs(_ overrides: WorkloadOverrides, devices: [Int]) throws -> [Program] {
    let training = try training(overrides, devices: devices)
    return try devices.flatMap { count in
      try (count == 1 ? [.data] : Self.layouts).flatMap { layout in
        try programs(training, Self.pins(layout), devices: count, count: Self.plansEach)
      }
    }
  }

  /// The best each of the layouts that loop over panels, and with attention that goes round a ring.
  private func others(_ overrides: WorkloadOverrides) throws -> [Program] {
    let devices = [2, 4, 8]
    let training = try training(overrides, devices: devices)
    return try devices.flatMap { count in
      var ring = Self.pins(.data)
      (ring.context, ring.contextAttention) = (2, .ring)
      let stepped = [LayoutName.summa, .tesseract].map { layout in
        var pins = Self.pins(layout)
        pins.matmul = .stepped
        return pins
      }
      return try (stepped + [ring]).flatMap {
        try programs(training, $0, devices: count, count: 1)
      }
    }
  }

  private func training(_ overrides: WorkloadOverrides, devices: [Int]) throws -> TrainingGraph {
    try Inputs.trainingGraph(
      model, overrides.resolved(for: model), devices: devices.max() ?? 1)
  }

  private static func pins(_ layout: LayoutName) -> Pins {
    var pins = Pins()
    (pins.layout, pins.pipeline, pins.context) = (layout, 1, 1)
    return pins
  }

  /// The `count` best under `pins`.
  private func programs(
    _ training: TrainingGraph, _ pins: Pins, devices: Int, count: Int
  ) throws -> [Program] {
    var pins = pins
    pins.microBatch = microBatch
    let request = SearchRequest(
      training: training, cluster: try Inputs.cluster(cluster), devices: devices,
      memory: .unlimited, pins: pins, keep: count)
    return try Search.run(request).plans.map {
      try Partitioner.program(of: training, choices: $0.choices)
    }
  }
}

import Partitioner
import PlanIR

/// Programs whose kernels are worth measuring for a model: the best of each of some layouts on 1 to 16
/// threads, with fused attention, and on up to 4 without it and with plain gradient descent.
///
/// Layouts are searched one by one, without stages and context axes: on so few threads mixtures and
/// stages compute on the same parts of tensors. What a plan computes beside is measured by its search.
struct CalibrationPrograms {
  let model: Model

  private static let layouts: [LayoutName] = [.data, .megatron, .summa, .sequence]
  private static let plansEach = 3

  func all() throws -> [Program] {
    var programs = try programs(WorkloadOverrides(), devices: [1, 2, 4, 8, 16])
    var other = WorkloadOverrides()
    (other.attention, other.optimizer) = (.unfused, .sgd)
    programs += try self.programs(other, devices: [1, 2, 4])
    return programs
  }

  private func programs(_ overrides: WorkloadOverrides, devices: [Int]) throws -> [Program] {
    let training = try Inputs.trainingGraph(
      model, overrides.resolved(for: model), devices: devices.max() ?? 1)
    let local = try Inputs.cluster("local")
    return try devices.flatMap { count in
      try (count == 1 ? [.data] : Self.layouts).flatMap { layout in
        var pins = Pins()
        (pins.layout, pins.pipeline, pins.context) = (layout, 1, 1)
        let request = SearchRequest(
          training: training, cluster: local, devices: count, memory: .unlimited, pins: pins,
          keep: Self.plansEach)
        return try Search.run(request).plans.map {
          try Partitioner.program(of: training, choices: $0.choices)
        }
      }
    }
  }
}

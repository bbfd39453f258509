package import Executor
package import PlanIR
package import Reference

/// Runs a plan's program and the unsharded reference on the same data, and compares: numbers, bytes
/// moved, memory.
package struct Proof: Sendable {
  package var plan: Plan
  package var program: Program
  package var settings: RunSettings
  package var weights: any WeightSource
  package var batch: HostBatch

  package init(
    plan: Plan, program: Program, settings: RunSettings, weights: any WeightSource,
    batch: HostBatch
  ) {
    self.plan = plan
    self.program = program
    self.settings = settings
    self.weights = weights
    self.batch = batch
  }

  /// Runs the plan, and the reference unless `validates` is false.
  package func run(validates: Bool) throws -> Verdict {
    let run = try MeshRun.run(program, weights: weights, batch: batch, settings: settings)
    let reference = validates ? try runReference() : nil
    return Verdict(proof: self, run: run, reference: reference)
  }

  /// Runs the reference alone.
  package func runReference() throws -> ReferenceRun {
    var values: [ParameterInstance: [Double]] = [:]
    for (instance, parameter, shape) in ReferenceModel.instances(of: plan.model) {
      values[instance] = try read(parameter, shape, layer: instance.layer ?? 0)
    }
    let model = try ReferenceModel(
      model: plan.model, workload: plan.workload, seed: settings.seed, weights: values)
    let input = ReferenceInput(
      tokens: batch.tokens, labels: batch.labels,
      features: batch.features?.all,
      cotangent: batch.cotangent?.all)
    return try model.run(input, steps: settings.steps, learningRate: settings.learningRate)
  }

  private func read(_ parameter: Parameter, _ shape: [Int], layer: Int) throws -> [Double] {
    let region = ParameterRegion(parameter: parameter, sizes: shape, layer: layer)
    var values = [Double](repeating: 0, count: region.count)
    try values.withUnsafeMutableBufferPointer { try weights.read(region, into: $0) }
    return values
  }
}

import PlanIR
import Reference

/// Models of one block without embedding or head, whose output is read off the loss.
enum SingleBlock {
  /// The features [batch, sequence, hidden] through `block`, read off element by element: the loss
  /// with a cotangent of one element is that element of the output over the tokens.
  static func output(
    of block: Block, _ sizes: [Dimension: Int], features: [Double], sequence: Int, batch: Int = 1,
    dropout: Double = 0, seed: UInt64 = 0,
    weights: [ParameterInstance: [Double]] = [:]
  ) throws -> [Double] {
    let model = Model(
      name: "one", family: "one", sizes: DimensionSizes(sizes), maximumSequence: sequence,
      segments: [.init(count: 1, blocks: [block])])
    let reference = try ReferenceModel(
      model: model, workload: Workload(globalBatch: batch, sequence: sequence, dropout: dropout),
      seed: seed,
      weights: weights)
    return try features.indices.map { place in
      let cotangent = features.indices.map { $0 == place ? Double(batch * sequence) : 0 }
      return try reference.loss(ReferenceInput(features: features, cotangent: cotangent))
    }
  }

  static func block(
    _ operations: [ModelOperation], _ parameters: [Parameter] = []
  ) -> Block {
    Block(
      name: "one", blockClass: .mlp, parameters: parameters, operations: operations, output: "y")
  }

  static func parameter(_ name: String, _ dimensions: [Dimension]) -> Parameter {
    Parameter(
      name: name, dimensions: dimensions, initial: .bias, checkpoint: CheckpointSlice(name))
  }
}

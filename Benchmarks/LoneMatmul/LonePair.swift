import Executor
import Partitioner
import PlanIR

/// The smallest model that is a matmul: X [M, K] by W [K, N], and back to the stream by a second of
/// as many operations, for a block must end as it began. No bias, no norm, no activation.
enum LonePair {
  /// Rows of X, its columns, and those of the product.
  static let (rows, inner, outer) = (2048, 1024, 4096)
  private static let sequence = 128

  /// Operations of one repetition: two products, each with the gradients of both operands.
  static let flops = Double(2 * 3 * 2 * rows * inner * outer)

  private static let workload = Workload(
    globalBatch: rows / sequence, sequence: sequence, precision: .fp32, optimizer: .sgd)

  /// The program of SUMMA on `side` x `side` devices, lowered as any plan's is, that runs the pair
  /// `repetitions` times forward and backward on one set of weights. Its updates are left out.
  static func program(side: Int, matmul: MatmulSchedule, repetitions: Int) throws -> Program {
    var choices = PlanChoices(
      layout: .summa, blocks: [:], mesh: Mesh([MeshAxis("row", side), MeshAxis("col", side)]),
      placement: [], sequenceParallel: false, gathersInputs: .saved, keyValue: .copied,
      microBatch: workload.globalBatch, microBatches: 1, layers: repetitions)
    choices.matmul = matmul
    var program = try Partitioner.program(
      of: TrainingGraph(model: model(repetitions), workload: workload), choices: choices)
    for index in program.parameters.indices { program.parameters[index].repetitions = 1 }
    for index in program.stages.indices {
      program.stages[index].calls.removeAll { $0.phase == .optimize }
    }
    return program
  }

  /// The local products of one repetition, as a device of `program` runs them.
  static func products(of program: Program) -> [MatmulShape] {
    program.bodies.filter { $0.blockClass == .mlp }.flatMap { body in
      body.instructions.compactMap { instruction in
        guard case .kernel(let call) = instruction, case .operation(.matmul) = call.kind else {
          return nil
        }
        let types = (call.reads + call.writes).map { body.buffers[$0].type }
        return MatmulShape(a: types[0], b: types[1], c: types[2])
      }
    }
  }

  /// The data of a step.
  static var batch: HostBatch {
    HostBatch.random(model: model(1), workload: workload, seed: 0)
  }

  private static func model(_ repetitions: Int) -> Model {
    Model(
      name: "lone-matmul", family: "lone-matmul",
      sizes: DimensionSizes([.hidden: inner, .wide: outer]), maximumSequence: sequence,
      segments: [.init(count: repetitions, blocks: [block])])
  }

  private static var block: Block {
    Block(
      name: "pair", blockClass: .mlp,
      parameters: [weight("first", [.hidden, .wide]), weight("second", [.wide, .hidden])],
      operations: [
        ModelOperation(.linear, [Block.streamInput, "first"], output: "wide"),
        ModelOperation(.linear, ["wide", "second"], output: "back"),
      ], output: "back")
  }

  private static func weight(_ name: String, _ dimensions: [Dimension]) -> Parameter {
    Parameter(
      name: name, dimensions: dimensions, initial: InitialValue(deviation: 1),
      checkpoint: CheckpointSlice("{layer}.\(name)"))
  }
}

extension MatmulShape {
  /// One large product of square matrices.
  static var square: MatmulShape {
    func matrix(_ dimensions: [Dimension]) -> TensorType {
      TensorType(
        dimensions: dimensions, sizes: [2048, 2048], sharding: Sharding(dimensions: [[], []]),
        width: .activation)
    }
    return MatmulShape(
      a: matrix([.batch, .hidden]), b: matrix([.hidden, .wide]), c: matrix([.batch, .wide]))
  }
}

/// Weights quickly made; small, so that repetitions neither grow nor vanish into denormal numbers.
struct PatternWeights: WeightSource {
  func read(
    _ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>
  ) throws {
    let scale = 2 / Double(region.sizes[0]).squareRoot()
    for index in output.indices {
      output[index] = scale * (Double((index * 7919) % 4099) / 4099 - 0.5)
    }
  }
}

import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// ZeRO 1 and 2 under every layout against the unsharded reference: numbers, bytes and memory.
@Suite struct ShardedOptimizerTests {
  /// A layout on a mesh; of Megatron with or without sequence parallelism.
  private struct Shape {
    var layout: LayoutName?
    var mesh: [Int]
    var sequenceParallel = false
  }

  private static let shapes: [Shape] = [
    Shape(layout: nil, mesh: [1]), Shape(layout: .megatron, mesh: [2]),
    Shape(layout: .megatron, mesh: [2], sequenceParallel: true),
    Shape(layout: .summa, mesh: [2, 2]), Shape(layout: .tesseract, mesh: [2, 2, 2]),
    Shape(layout: .tesseract, mesh: [1, 2, 2]), Shape(layout: .threeDimensional, mesh: [2, 2, 1]),
    Shape(layout: .stationary, mesh: [2, 2]), Shape(layout: .sequence, mesh: [4]),
  ]

  /// Values of each parameter of a case: shape, zero, data, family, micro-batches, precision, how the
  /// run computes.
  private static let counts = [shapes.count, 2, 2, 2, 2, Precision.allCases.count, 2]

  /// A set in which every pair of values occurs, or the whole product.
  static var cases: [ProofCase] {
    if !LayoutMatrix.isFull { return PairwiseCover.rows(of: counts).map(proof) }
    return counts.reduce([[]]) { rows, count in
      rows.flatMap { row in (0..<count).map { row + [$0] } }
    }.map(proof)
  }

  private static func proof(_ row: [Int]) -> ProofCase {
    let shape = shapes[row[0]]
    var proof = ProofCase()
    (proof.layout, proof.sequenceParallel) = (shape.layout, shape.sequenceParallel)
    proof.mesh = shape.layout == nil ? [] : shape.mesh
    (proof.zero, proof.data, proof.microBatches) = (row[1] + 1, row[2] + 2, row[4] + 1)
    proof.isLlama = row[3] == 1
    proof.sample.keyValueHeads = proof.isLlama ? 2 : 8
    // A table of rows that no sequence reads, and of its own for the head.
    proof.sample.positions = 19
    proof.sample.isTied = !proof.isLlama
    proof.sample.normalisesHeads = proof.isLlama
    proof.tableGradients = proof.microBatches == 1 ? .added : .apart
    (proof.workload.sequence, proof.workload.globalBatch) = (8, 48)
    proof.workload.precision = Precision.allCases[row[5]]
    let isDouble = row[6] == 0
    proof.workload.optimizer = isDouble ? .adamw : .sgd
    proof.settings.dtype = isDouble ? .float64 : .float32
    proof.settings.learningRate = isDouble ? 1e-3 : 0.05
    proof.settings.steps = 3
    return proof
  }

  @Test(arguments: [1, 2]) func `some devices may have no element of a parameter`(zero: Int) throws
  {
    var proof = ProofCase()
    (proof.data, proof.zero, proof.isLlama) = (6, zero, true)
    // Gains of four elements.
    proof.sample.normalisesHeads = true
    (proof.sample.layers, proof.workload.globalBatch) = (1, 12)
    (proof.workload.optimizer, proof.settings.dtype, proof.settings.steps) = (.adamw, .float64, 2)
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(faults)")
    #expect(try #require(verdict.parameterError) < 1e-8)
    #expect(Set(verdict.peaksPredicted).count > 1)
  }

  @Test(arguments: cases) func `an optimizer may be sharded over data`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let error = try #require(verdict.parameterError)
    #expect(error < (proof.settings.dtype == .float64 ? 1e-8 : 1e-4), "\(proof): \(error)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 }, "\(proof)")
    let gathers = verdict.traffic.contains { $0.axis == "data" && $0.collective == "all-gather" }
    #expect(gathers, "\(proof): weights are gathered")
  }
}

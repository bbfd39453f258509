import Executor
import Foundation
package import PlanIR

/// Every layout on every mesh that is proved, with all that a plan may choose beside: the whole
/// product, and a set in which every pair of values occurs.
package enum LayoutMatrix {
  /// A layout on a mesh.
  package struct Shape: Hashable, Sendable {
    package let layout: LayoutName
    package let mesh: [Int]
  }

  package static let shapes: [Shape] =
    [[2, 2], [2, 3], [4, 2], [4, 4]].map { Shape(layout: .summa, mesh: $0) }
    + [[2, 2, 2], [2, 2, 3], [2, 2, 4], [4, 4, 2], [1, 1, 4]].map {
      Shape(layout: .tesseract, mesh: $0)
    }
    + [[2, 2, 2], [3, 3, 3], [4, 4, 4], [1, 2, 3], [4, 2, 1]].map {
      Shape(layout: .threeDimensional, mesh: $0)
    }
    + [[2, 2], [2, 4]].map { Shape(layout: .stationary, mesh: $0) }
    + [[2], [4], [8]].map { Shape(layout: .sequence, mesh: $0) }

  /// Values of one parameter.
  private enum Parameter: Int, CaseIterable {
    case shape, family, data, matmul, inputs, weights, dtype, table, gradients, keyValue, shards

    var count: Int {
      switch self {
      case .shape: LayoutMatrix.shapes.count
      case .table: TableForm.allCases.count
      case .family, .data, .matmul, .inputs, .weights, .dtype, .gradients, .keyValue, .shards: 2
      }
    }
  }

  /// Whether the whole product is asked for: `TPPLAN_FULL` in the environment.
  package static var isFull: Bool { ProcessInfo.processInfo.environment["TPPLAN_FULL"] != nil }

  /// The cases to run: a pairwise covering set, or the whole product of layouts, families, data,
  /// schedules, gathers and types.
  package static var cases: [ProofCase] { (isFull ? fullRows : coveringRows).map(proof) }

  private static var coveringRows: [[Int]] {
    PairwiseCover.rows(of: Parameter.allCases.map(\.count), isAllowed: isMeant)
  }

  private static var fullRows: [[Int]] {
    var rows: [[Int]] = [[]]
    for parameter in Parameter.allCases {
      let isOpen = parameter.rawValue <= Parameter.table.rawValue
      rows = rows.flatMap { row in
        (0..<(isOpen ? parameter.count : 1)).map { row + [$0] }
      }
    }
    // Parameters that are not multiplied vary with the row.
    for place in rows.indices {
      for parameter in Parameter.allCases where parameter.rawValue > Parameter.table.rawValue {
        rows[place][parameter.rawValue] = (place / (parameter.rawValue + 1)) % parameter.count
      }
    }
    return rows.filter(isMeant)
  }

  private static func value(_ parameter: Parameter, _ row: [Int]) -> Int { row[parameter.rawValue] }

  /// Whether a row is a point of its own: panels and table forms are of SUMMA and Tesseract, and a
  /// step of so many devices stays small.
  private static func isMeant(_ row: [Int]) -> Bool {
    let shape = shapes[value(.shape, row)]
    let hasPanels = shape.layout == .summa || shape.layout == .tesseract
    let loops = hasPanels && shape.mesh[0] * shape.mesh[1] > 1
    if value(.matmul, row) == 1 && !loops { return false }
    if value(.table, row) != 0 && !hasPanels { return false }
    if value(.keyValue, row) == 1 && (value(.family, row) == 0 || shape.layout == .sequence) {
      return false
    }
    if value(.shards, row) == 1 && value(.data, row) == 0 { return false }
    return value(.data, row) == 0 || shape.mesh.reduce(1, *) <= 32
  }

  private static func proof(_ row: [Int]) -> ProofCase {
    let shape = shapes[value(.shape, row)]
    var proof = ProofCase()
    proof.isLlama = value(.family, row) == 1
    proof.data = value(.data, row) + 1
    (proof.layout, proof.mesh) = (shape.layout, shape.mesh)
    proof.matmul = MatmulSchedule.allCases[value(.matmul, row)]
    proof.gathersInputs = GatherChoice.allCases[value(.inputs, row)]
    proof.gathersWeights = GatherChoice.allCases[value(.weights, row)]
    proof.tableForm = TableForm.allCases[value(.table, row)]
    proof.tableGradients = TableGradients.allCases[value(.gradients, row)]
    proof.keyValue = KeyValueForm.allCases[value(.keyValue, row)]
    proof.weightsOver = value(.shards, row) == 1 ? ["data"] : []
    fit(&proof, to: shape)
    proof.settings.steps = 5
    let isDouble = value(.dtype, row) == 1
    proof.settings.dtype = isDouble ? .float64 : .float32
    proof.workload.optimizer = isDouble ? .adamw : .sgd
    proof.settings.learningRate = isDouble ? 1e-3 : 0.05
    return proof
  }

  /// The smallest model and batch that the mesh divides, with key/value heads fewer than devices that
  /// share them where the family has them.
  private static func fit(_ proof: inout ProofCase, to shape: Shape) {
    let devices = shape.mesh.reduce(1, *)
    let columns = columns(shape)
    // Loops over panels need heads that rows divide.
    let loops = proof.matmul == .stepped
    let heads = max(loops ? columns * shape.mesh[0] : columns, 2)
    var width = 4
    while heads * width % devices != 0 { width += 2 }
    proof.sample.heads = heads
    proof.sample.keyValueHeads =
      !proof.isLlama ? heads : columns % 2 == 0 ? max(columns / 2, 1) : heads
    proof.sample.headWidth = width
    proof.sample.hidden = heads * width
    proof.sample.wide = heads * width * 2
    proof.sample.layers = devices > 16 ? 1 : 2
    proof.sample.isTied = !proof.isLlama
    proof.sample.normalisesHeads = proof.isLlama
    (proof.sample.positions, proof.workload.sequence) = (10, 8)
    proof.microBatches = 2
    proof.workload.globalBatch = rows(shape) * proof.data * proof.microBatches
  }

  /// Parts into which the layout splits heads.
  private static func columns(_ shape: Shape) -> Int {
    switch shape.layout {
    case .summa, .tesseract, .threeDimensional: shape.mesh[1]
    case .stationary: shape.mesh[0] * shape.mesh[1]
    case .data, .megatron, .sequence, .mixed: shape.mesh[0]
    }
  }

  /// Sequences that a micro-batch must have.
  private static func rows(_ shape: Shape) -> Int {
    switch shape.layout {
    case .summa: shape.mesh[0]
    case .tesseract: shape.mesh[0] * shape.mesh[2]
    case .threeDimensional:
      shape.mesh[0] * shape.mesh[1] * shape.mesh[2]
        / (shape.mesh[1] == shape.mesh[2] ? shape.mesh[1] : 1)
    case .data, .megatron, .stationary, .sequence, .mixed: 1
    }
  }
}

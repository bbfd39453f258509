import Executor
import Foundation
import PlanIR

/// Every schedule with every layout and all that a plan may choose beside: the whole product, and a
/// set in which every pair of values occurs.
package enum PipelineMatrix {
  private static let shapes: [LayoutMatrix.Shape?] = [
    nil, .init(layout: .megatron, mesh: [2]), .init(layout: .summa, mesh: [2, 2]),
    .init(layout: .tesseract, mesh: [1, 2, 2]), .init(layout: .threeDimensional, mesh: [2, 1, 2]),
    .init(layout: .stationary, mesh: [2, 2]), .init(layout: .sequence, mesh: [2]),
  ]

  private static let orders: [(schedule: PipelineSchedule, stages: Int, interleave: Int)] = [
    (.none, 1, 1), (.gpipe, 2, 1), (.oneForwardOneBackward, 2, 1), (.oneForwardOneBackward, 4, 1),
    (.interleaved, 2, 2), (.zeroBubble, 3, 1), (.zeroBubble, 4, 1),
  ]

  private enum Parameter: Int, CaseIterable {
    case shape, order, family, data, zero, again, parallel, stepped, microBatches, double, context
    case recompute, unfused

    var count: Int {
      switch self {
      case .shape: shapes.count
      case .order: orders.count
      case .zero: 4
      case .microBatches, .context: 3
      case .recompute: Recomputation.allCases.count
      case .family, .data, .again, .parallel, .stepped, .double, .unfused: 2
      }
    }
  }

  /// The cases to run: all of them where `TPPLAN_FULL` is in the environment.
  package static var cases: [ProofCase] {
    let counts = Parameter.allCases.map(\.count)
    let rows = LayoutMatrix.isFull ? all(counts) : cover(counts)
    return rows.map(proof)
  }

  /// A covering set of all but what is computed again, its values dealt out over the rows: all rows
  /// would be too many to choose from.
  private static func cover(_ counts: [Int]) -> [[Int]] {
    let open = counts.dropLast(2)
    let rows = PairwiseCover.rows(of: Array(open)) { isMeant($0 + [0, 0]) }
    let kinds = [(0, 0), (2, 0), (1, 1), (3, 1), (2, 1), (3, 0), (0, 1)]
    return rows.enumerated().map { place, row in
      let kind = kinds[place % kinds.count]
      // A ring has no scores to recompute: layers are, whole.
      guard row[Parameter.context.rawValue] == ring else { return row + [kind.0, kind.1] }
      return row + [kind.0 == 1 ? 2 : kind.0, 0]
    }
  }

  /// The value of ``Parameter/context`` that is a ring; 1 is all-to-all.
  private static let ring = 2

  /// The product of layouts, schedules, families, data, context, what is sharded over data, what is
  /// computed again and types; the rest varies with the row, sequence parallelism and panels where
  /// they can be.
  private static func all(_ counts: [Int]) -> [[Int]] {
    let varied: [Parameter] = [.again, .parallel, .stepped, .microBatches, .unfused]
    var rows: [[Int]] = [[]]
    for parameter in Parameter.allCases {
      let values = varied.contains(parameter) ? [0] : Array(0..<counts[parameter.rawValue])
      rows = rows.flatMap { row in values.map { row + [$0] } }
    }
    return rows.enumerated().compactMap { place, row in
      var row = row
      for (index, parameter) in varied.enumerated() {
        row[parameter.rawValue] = place / (index + 1) % counts[parameter.rawValue]
      }
      let isSelective = Recomputation.allCases[row[Parameter.recompute.rawValue]] == .selective
      if isSelective { row[Parameter.unfused.rawValue] = 1 }
      let isRing = row[Parameter.context.rawValue] == ring
      if isRing && !isSelective { row[Parameter.unfused.rawValue] = 0 }
      for parameter in [Parameter.parallel, .stepped] where !isMeant(row) {
        row[parameter.rawValue] = 0
      }
      return isMeant(row) ? row : nil
    }
  }

  private static func value(_ parameter: Parameter, _ row: [Int]) -> Int { row[parameter.rawValue] }

  private static func isMeant(_ row: [Int]) -> Bool {
    let shape = shapes[value(.shape, row)]
    let order = orders[value(.order, row)]
    if value(.parallel, row) == 1 && shape?.layout != .megatron { return false }
    let hasPanels = shape?.layout == .summa || shape?.layout == .tesseract
    if value(.stepped, row) == 1 && !hasPanels { return false }
    if value(.zero, row) > 0 && value(.data, row) == 0 { return false }
    let isSelective = Recomputation.allCases[value(.recompute, row)] == .selective
    if isSelective && value(.unfused, row) == 0 { return false }
    if value(.context, row) == ring && value(.unfused, row) == 1 { return false }
    let tensor = shape?.mesh.reduce(1, *) ?? 1
    return order.stages * tensor * (value(.data, row) + 1) * min(value(.context, row) + 1, 2) <= 32
  }

  private static func proof(_ row: [Int]) -> ProofCase {
    var proof = ProofCase()
    let shape = shapes[value(.shape, row)]
    let order = orders[value(.order, row)]
    if let shape, shape.layout != .megatron {
      (proof.layout, proof.mesh) = (shape.layout, shape.mesh)
    } else {
      proof.tensor = shape?.mesh[0] ?? 1
    }
    proof.isLlama = value(.family, row) == 1
    proof.sample.isTied = !proof.isLlama
    proof.sample.keyValueHeads = proof.isLlama ? 4 : 8
    proof.sample.normalisesHeads = proof.isLlama
    (proof.pipeline, proof.schedule, proof.interleave) = (
      order.stages, order.schedule, order.interleave
    )
    proof.sample.layers = max(order.stages * order.interleave, 2) + 1
    proof.data = value(.data, row) + 1
    proof.context = min(value(.context, row) + 1, 2)
    proof.contextAttention = value(.context, row) == ring ? .ring : .allToAll
    proof.zero = value(.zero, row)
    proof.weightsOver = proof.zero == 3 ? ["data"] : []
    proof.gathersInputs = value(.again, row) == 1 ? .again : .saved
    proof.gathersWeights = value(.again, row) == 1 ? .again : .saved
    proof.sequenceParallel = value(.parallel, row) == 1
    proof.matmul = value(.stepped, row) == 1 ? .stepped : .gathered
    let groups = [1, 2, 3][value(.microBatches, row)]
    proof.microBatches = order.schedule == .interleaved ? order.stages * groups : groups + 1
    proof.workload.globalBatch = 4 * proof.data * proof.microBatches
    proof.workload.sequence = 8
    let isDouble = value(.double, row) == 1
    proof.settings.dtype = isDouble ? .float64 : .float32
    proof.workload.optimizer = isDouble ? .adamw : .sgd
    proof.settings.learningRate = isDouble ? 1e-3 : 0.05
    proof.settings.steps = 3
    proof.recompute = Recomputation.allCases[value(.recompute, row)]
    proof.workload.attention = value(.unfused, row) == 1 ? .unfused : .fused
    // Masks must be drawn again as they were.
    proof.workload.dropout = proof.recompute == .none ? 0 : 0.1
    return proof
  }
}

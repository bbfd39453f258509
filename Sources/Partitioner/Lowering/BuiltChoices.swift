import PlanIR

/// Refuses choices that this version cannot carry out, by name.
enum BuiltChoices {
  static func check(_ choices: PlanChoices) throws(ConstraintViolation) {
    try checkMesh(choices)
    try checkPanels(choices)
    try checkWeightsOver(choices)
  }

  /// Selective recomputation is of what unfused attention stores.
  static func checkRecomputation(
    _ choices: PlanChoices, _ workload: Workload
  ) throws(ConstraintViolation) {
    let isSelective = choices.stages.contains { $0.recomputeSelective > 0 }
    if isSelective && workload.attention == .fused { throw .selectiveOfFused }
  }

  /// Only layouts whose products gather both operands along one dimension can loop over it.
  private static func checkPanels(_ choices: PlanChoices) throws(ConstraintViolation) {
    guard choices.matmul == .stepped else { return }
    let names = [choices.layout] + choices.blocks.values
    guard !LayoutCatalog.all.contains(where: { $0.hasPanels && names.contains($0.name) }) else {
      return
    }
    throw ConstraintViolation(
      constraint: "stepped matmuls loop over the panels of a layout that has some",
      found: "layout \(choices.layout.rawValue)", needed: "layout summa or tesseract",
      remedy: "--layout summa, or --matmul gathered")
  }

  /// Weights are sharded over axes that hold copies of them: data, which is zero 3, and what the
  /// layouts say.
  private static func checkWeightsOver(_ choices: PlanChoices) throws(ConstraintViolation) {
    let layouts = LayoutCatalog.all.filter {
      ([choices.layout] + choices.blocks.values).contains($0.name)
    }
    let allowed = ["data"] + layouts.flatMap(\.copyAxes)
    if let axis = choices.weightsOver.first(where: { !allowed.contains($0) }) {
      throw ConstraintViolation(
        constraint: "weights are sharded over axes that hold copies of them", found: axis,
        needed: allowed.joined(separator: " or "), remedy: "no \(axis) in weights_over")
    }
    if [1, 2].contains(choices.zero), let axis = choices.weightsOver.first {
      throw ConstraintViolation(
        constraint:
          "zero \(choices.zero) beside weights sharded over rows is not built in this version",
        found: "zero \(choices.zero), weights_over \(axis)", needed: "whole weights",
        remedy: "no weights_over, or zero 3 with data in it")
    }
    let isOverData = choices.weightsOver.contains("data")
    guard choices.degree("data") > 1, isOverData != (choices.zero == 3) else { return }
    throw ConstraintViolation(
      constraint: "zero 3 is weights_over data",
      found: "zero \(choices.zero), weights_over [\(choices.weightsOver.joined(separator: ", "))]",
      needed: "both or neither", remedy: "zero 3 with data in weights_over")
  }

  /// A layout of no tensor axis cannot fill a mesh that has one.
  static func checkMesh(_ choices: PlanChoices) throws(ConstraintViolation) {
    guard choices.layout == .data, choices.tensorDegree > 1 else { return }
    throw ConstraintViolation(
      constraint: "layout data has no tensor axis", found: "tensor \(choices.tensorDegree)",
      needed: "1", remedy: "--layout megatron")
  }
}

extension ConstraintViolation {
  /// Fused attention has no core to compute again.
  static let selectiveOfFused = ConstraintViolation(
    constraint: "selective recomputation is of unfused attention: fused stores no scores",
    found: "attention fused", needed: "attention unfused",
    remedy: "--attention unfused, or --recompute full")
}

import PlanIR

/// Refuses choices that this version cannot carry out, by name.
enum BuiltChoices {
  static func check(_ choices: PlanChoices) throws(ConstraintViolation) {
    try checkMesh(choices)
    try require(choices.degree("pipeline") == 1, "pipeline parallelism", "--pipeline 1")
    try require(choices.degree("context") == 1, "context parallelism", "--context 1")
    try require(choices.zero == 0, "a sharded optimizer (zero \(choices.zero))", "--zero 0")
    try require(
      choices.recompute == .none, "recomputation (\(choices.recompute.rawValue))",
      "--recompute none")
    try require(
      choices.schedule == .none, "schedule \(choices.schedule.rawValue)", "no --schedule")
    try require(choices.interleave == 1, "interleaving", "--interleave 1")
    try require(choices.matmul == .gathered, "stepped matmuls", "--matmul gathered")
    try require(choices.weightsOver.isEmpty, "row-sharded weights", "no weights_over")
    try require(
      choices.tableGradients == .added, "scattering a table's gradients apart", "gradients added")
    try require(choices.stages.count == 1, "pipeline stages", "one stage")
  }

  /// A layout of no tensor axis cannot fill a mesh that has one.
  static func checkMesh(_ choices: PlanChoices) throws(ConstraintViolation) {
    guard choices.layout == .data, choices.tensorDegree > 1 else { return }
    throw ConstraintViolation(
      constraint: "layout data has no tensor axis", found: "tensor \(choices.tensorDegree)",
      needed: "1", remedy: "--layout megatron")
  }

  private static func require(
    _ condition: Bool, _ what: String, _ remedy: String
  ) throws(ConstraintViolation) {
    guard !condition else { return }
    throw ConstraintViolation(
      constraint: "\(what) is not built in this version", found: what, needed: remedy,
      remedy: remedy)
  }
}

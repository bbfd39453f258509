import PlanIR

/// The decisions of a plan in the order in which a certificate takes them, each as words.
enum CertificatePath {
  /// All of them.
  static func of(_ choices: PlanChoices) -> [String] {
    if choices.layout == .mixed {
      return mixtures(choices, DeviceSplit(choices), choices.microBatch)
    }
    var path = node(choices)
    path.append(placement(choices.placement))
    path.append(table(choices))
    path.append(stages(choices))
    return path
  }

  /// Those of a node: all but placement, table and stages.
  static func node(_ choices: PlanChoices) -> [String] { sharded(choices) + [gathers(choices)] }

  /// Those but for what is gathered again or looped over.
  static func sharded(_ choices: PlanChoices) -> [String] {
    spread(choices, DeviceSplit(choices)) + [microBatch(choices.microBatch), shards(choices)]
  }

  /// Those of layers spread over `split`.
  static func spread(_ choices: PlanChoices, _ split: DeviceSplit) -> [String] {
    [point(choices), spread(split)]
  }

  static func spread(_ split: DeviceSplit) -> String {
    "data \(split.data) pipeline \(split.stages)"
  }

  /// Layout, tensor mesh and context, and the forms of both.
  static func point(_ choices: PlanChoices) -> String {
    var words = [choices.layout.rawValue]
    let split = DeviceSplit(choices)
    words += choices.mesh.axes.filter { !split.isOuter($0) }.map { "\($0.name) \($0.size)" }
    let context = choices.degree("context")
    if context > 1 { words.append("context \(context) \(choices.contextAttention.rawValue)") }
    if choices.sequenceParallel { words.append("sequence-parallel") }
    if choices.keyValue == .gathered { words.append("key-value gathered") }
    return words.joined(separator: " ")
  }

  static func microBatch(_ size: Int) -> String { "micro-batch \(size)" }

  static func shards(_ choices: PlanChoices) -> String {
    let over = choices.weightsOver
    return "zero \(choices.zero)"
      + (over.isEmpty ? "" : " weights over " + over.joined(separator: " "))
  }

  static func gathers(_ choices: PlanChoices) -> String {
    "inputs \(choices.gathersInputs.rawValue) weights \(choices.gathersWeights.rawValue)"
      + (choices.matmul == .stepped ? " stepped" : "")
  }

  static func placement(_ placement: [AxisPlacement]) -> String {
    (["inside"] + placement.map { "\($0.axis) \($0.insideNode)" }).joined(separator: " ")
  }

  static func table(_ choices: PlanChoices) -> String {
    "table \(choices.tableForm.rawValue) \(choices.tableGradients.rawValue)"
  }

  /// Schedule, and layers of each stage.
  static func stages(_ choices: PlanChoices) -> String {
    guard choices.stages.count > 1 else { return "one stage" }
    let layers = choices.stages.map { String($0.layers) }.joined(separator: ",")
    let chunks = choices.interleave > 1 ? " x \(choices.interleave)" : ""
    return "\(choices.schedule.rawValue)\(chunks) \(layers)"
  }

  static func flat(_ split: DeviceSplit) -> String {
    "data \(split.data) tensor \(split.tensor)"
  }

  /// Those of mixtures: devices, what is alike in all blocks, micro-batch. Shapes are not told apart.
  static func mixtures(_ knobs: PlanChoices, _ split: DeviceSplit, _ microBatch: Int) -> [String] {
    var alike = gathers(knobs) + " " + shards(knobs)
    if knobs.sequenceParallel { alike += " sequence-parallel" }
    if knobs.keyValue == .gathered { alike += " key-value gathered" }
    return [LayoutName.mixed.rawValue, flat(split), alike, CertificatePath.microBatch(microBatch)]
  }
}

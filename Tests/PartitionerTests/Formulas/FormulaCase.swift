import Partitioner
import PlanIR
import TestSupport

/// A case with the letters that formulas are written in. Amounts are of one micro-batch and of the
/// whole mesh: divided by all devices, they are the published amounts of one device.
struct FormulaCase {
  let proof: ProofCase
  private let training: TrainingGraph
  private let explanation: Explanation

  init(_ proof: ProofCase) throws {
    self.proof = proof
    training = try TrainingGraph(model: proof.model, workload: proof.workload)
    explanation = try Partitioner.explain(
      training, choices: proof.choices, cluster: SyntheticCluster.cluster,
      weighsAlternatives: false)
  }

  /// Bytes and memory of a step.
  func predicted() throws -> Prediction {
    try Partitioner.predict(
      training, choices: proof.choices, cluster: SyntheticCluster.cluster)
  }

  // MARK: - Letters

  /// n: data replicas.
  var data: Int { proof.data }
  /// M: token rows of all replicas.
  var rows: Int { proof.workload.tokens / proof.microBatches }
  /// h.
  var hidden: Int { proof.sample.hidden }
  /// E = Mh.
  var elements: Int { rows * hidden }
  /// MLPs of the Llama family have a gate.
  private var gates: Int { proof.isLlama ? 2 : 1 }
  /// Inputs of the linears that lead from the stream; query, key and value share one.
  var streamInputs: Int { 2 * elements }
  /// Inputs of those that lead back: contexts, and activations f wide.
  var innerInputs: Int { elements + rows * proof.sample.wide }
  /// Results of the linears that lead from the stream: 7E where f = 4h.
  var innerResults: Int {
    elements + 2 * rows * keyValueWidth * computed + gates * rows * proof.sample.wide
  }
  /// Results of those that lead back.
  var streamResults: Int { 2 * elements }
  /// The linears' weights of a layer: 12h^2 where f = 4h and there is no gate.
  var weights: Int {
    2 * hidden * (hidden + keyValueWidth * computed) + (gates + 1) * hidden * proof.sample.wide
  }
  /// w: features of all keys, h where each query head has its own.
  var keyValueWidth: Int { proof.sample.keyValueHeads * proof.sample.headWidth }
  /// Devices that share a key/value head, where heads are split into more parts than there are.
  var keyValueCopies = 1
  /// How often keys and values are computed: by each of those devices, or a part of each.
  private var computed: Int { proof.keyValue == .copied ? keyValueCopies : 1 }
  /// Vectors of a layer that lie along the stream: norms, biases of results added to it.
  var streamVectors: Int { proof.isLlama ? 2 * hidden : 6 * hidden }
  /// Biases of queries, keys and values.
  var headVectors: Int { proof.sample.hasAttentionBias ? 3 * hidden : 0 }
  /// Biases of the MLP's first linear.
  var wideVectors: Int { proof.isLlama ? 0 : proof.sample.wide }
  /// Vectors of the last norm.
  var lastVectors: Int { proof.isLlama ? hidden : 2 * hidden }
  /// The learned position table, of as many rows as the sequence has.
  var positions: Int { proof.isLlama ? 0 : proof.workload.sequence * hidden }
  /// Values of a row that a norm reduces forward, and as many backward.
  var statistics: Int { proof.isLlama ? 1 : 2 }
  /// Token tables: one where the head reads the embedding's.
  var tables: Int { proof.sample.isTied ? 1 : 2 }

  /// v: the vocabulary padded to 128 for each of the `parts` that it is split into anywhere.
  func vocabulary(parts: Int) -> Int {
    let multiple = 128 * parts
    return (proof.sample.vocabulary + multiple - 1) / multiple * multiple
  }

  /// Bytes of an element of activations and weights.
  var value: Int { proof.workload.precision == .fp32 ? 4 : 2 }
  /// Bytes of an element of weights' gradients while they are reduced.
  var gradient: Int { proof.workload.precision == .bf16 ? 2 : 4 }
  /// Bytes of norm statistics, of cross-entropy's three values and of the loss.
  let statistic = 4
  /// 1 where a gathered input is gathered again for its weight's gradient.
  var inputsAgain: Int { proof.gathersInputs == .again ? 1 : 0 }
  /// 1 where a gathered weight is gathered again for its input's gradient.
  var weightsAgain: Int { proof.gathersWeights == .again ? 1 : 0 }

  // MARK: - What the plan does

  /// What crosses for the sake of what.
  enum Part {
    case linears, statistics, crossEntropy, all

    func contains(_ tensor: String) -> Bool {
      switch self {
      case .statistics: tensor.contains(".statistics")
      case .crossEntropy: tensor.hasPrefix("loss.")
      case .linears: !tensor.contains(".statistics") && !tensor.hasPrefix("loss.")
      case .all: true
      }
    }
  }

  /// The blocks of a layer.
  static let layer = ["attention", "mlp"]

  /// What `blocks` move in `phase`, each once.
  func traffic(_ blocks: [String], _ phase: Phase, _ part: Part = .all) -> Traffic {
    var traffic: Traffic = [:]
    for block in explanation.blocks where blocks.contains(block.name) {
      for found in block.phases where found.phase == phase {
        for collective in found.collectives where part.contains(collective.tensor) {
          traffic.add(collective.total.count, to: "\(collective.axis) \(collective.collective)")
        }
      }
    }
    return traffic
  }

  /// What a device keeps of a layer between its forward pass and its backward.
  var keptOfLayer: Int {
    explanation.blocks.filter { Self.layer.contains($0.name) }.flatMap(\.phases)
      .filter { $0.phase == .forward }.reduce(0) { $0 + $1.kept.count }
  }

  /// What a step moves.
  func step() throws -> Traffic {
    var traffic: Traffic = [:]
    for entry in try predicted().communication {
      traffic.add(entry.total.count, to: "\(entry.axis) \(entry.collective)")
    }
    return traffic
  }
}

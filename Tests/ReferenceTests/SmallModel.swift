import PlanIR
import Reference

/// Models of a few hundred to a few thousand parameters that between them use every operation.
enum SmallModel: String, CaseIterable, Sendable {
  /// Biases, LayerNorm, GELU by tanh, a tied head, learned positions past the sequence.
  case gpt
  /// RMSNorm, rotary, grouped queries, SwiGLU, an untied head, norms of query and key, biases.
  case llama
  /// As `llama`, with rotary frequencies stretched by a factor, a ramp or YaRN.
  case llamaLinear, llamaRamp, llamaYarn
  /// As `llama`, where a query sees its last two keys.
  case llamaWindow
  /// Attention that sees all keys and an MLP with GELU by the error function, no embedding, no head.
  case stack

  static let workload = Workload(globalBatch: 2, sequence: 5)

  var model: Model {
    let rotary = RotarySettings(theta: 100, width: 4, scaling: scaling)
    switch self {
    case .gpt:
      return make([
        .init(count: 1, blocks: [.embedding(positions: true)]),
        .init(count: 2, blocks: [.gptAttention(causal: true), .gptMLP(.geluTanh)]),
        .init(count: 1, blocks: [.tiedHead]),
      ])
    case .llama, .llamaLinear, .llamaRamp, .llamaYarn, .llamaWindow:
      return make([
        .init(count: 1, blocks: [.embedding(positions: false)]),
        .init(
          count: 2, blocks: [.llamaAttention(rotary, self == .llamaWindow ? 2 : nil), .llamaMLP]),
        .init(count: 1, blocks: [.untiedHead]),
      ])
    case .stack:
      return make([
        .init(count: 2, blocks: [.gptAttention(causal: false), .gptMLP(.geluErf)])
      ])
    }
  }

  private var scaling: RotarySettings.Scaling {
    switch self {
    case .gpt, .llama, .llamaWindow, .stack: .none
    case .llamaLinear: .linear(factor: 3)
    case .llamaRamp:
      .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 32)
    case .llamaYarn:
      .yarn(factor: 4, betaFast: 2, betaSlow: 1, originalPositions: 16, attentionFactor: 1.2)
    }
  }

  private func make(_ segments: [Model.Segment]) -> Model {
    let isGrouped = self != .gpt && self != .stack
    let sizes = DimensionSizes([
      .hidden: 8, .heads: isGrouped ? 4 : 2, .keyValueHeads: 2, .headWidth: 4, .wide: 12,
      .vocabulary: 11, .positions: self == .gpt ? 9 : 0,
    ])
    return Model(
      name: rawValue, family: rawValue, sizes: sizes, maximumSequence: 9, segments: segments)
  }
}

extension SmallModel {
  /// Weights drawn by each parameter's own distribution.
  func weights(seed: UInt64) -> [ParameterInstance: [Double]] {
    var weights: [ParameterInstance: [Double]] = [:]
    for (instance, parameter, shape) in ReferenceModel.instances(of: model) {
      weights[instance] = Self.draw(
        shape.reduce(1, *), seed, instance.name, mean: parameter.initial.mean,
        deviation: parameter.initial.deviation)
    }
    return weights
  }

  /// A batch with two labels ignored.
  func input(seed: UInt64) -> ReferenceInput {
    let tokens = CounterGenerator(seed: seed, name: "tokens")
    let labels = CounterGenerator(seed: seed, name: "labels")
    let count = Self.workload.tokens
    return ReferenceInput(
      tokens: (0..<count).map { Int64(tokens.integer(below: 11, at: UInt64($0))) },
      labels: (0..<count).map {
        $0 == 3 || $0 == 7 ? -100 : Int64(labels.integer(below: 11, at: UInt64($0)))
      },
      features: self == .stack ? Self.draw(count * 8, seed, "features") : nil,
      cotangent: self == .stack ? Self.draw(count * 8, seed, "cotangent") : nil)
  }

  static func draw(
    _ count: Int, _ seed: UInt64, _ name: String, mean: Double = 0, deviation: Double = 1
  ) -> [Double] {
    let generator = CounterGenerator(seed: seed, name: name)
    return (0..<count).map { mean + deviation * generator.normal(at: UInt64($0)) }
  }
}

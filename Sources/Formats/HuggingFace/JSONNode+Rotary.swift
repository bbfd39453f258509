import Glibc
import PlanIR

extension JSONNode {
  /// The rotary embedding of a configuration: `rope_theta` and `rope_scaling`, or both in
  /// `rope_parameters` as transformers 5 writes them.
  ///
  /// - Parameters:
  ///   - width: Features of one head.
  ///   - positions: The longest sequence.
  /// - Returns: The settings, with the defaults of `modeling_rope_utils`.
  /// - Throws: ``FormatError`` at what is missing, wrong or not supported.
  func rotary(width: Int, positions: Int) throws(FormatError) -> RotarySettings {
    let stated = try optional("rope_parameters")
    let old = try optional("rope_scaling")
    let outer = try optional("rope_theta")
    let theta = try stated?.optional("rope_theta") ?? outer
    try refusePartialRotary()
    try stated?.refusePartialRotary()
    return RotarySettings(
      theta: try theta?.number(in: 1.01...1e15) ?? 10_000, width: width,
      scaling: try (stated ?? old)?.rotaryScaling(positions: positions) ?? .none)
  }

  private func refusePartialRotary() throws(FormatError) {
    guard let part = try optional("partial_rotary_factor"), try part.number() != 1 else { return }
    throw part.malformed(expected: "1: heads are rotated whole", remedy: "use another model")
  }

  private func rotaryScaling(
    positions: Int
  ) throws(FormatError) -> RotarySettings.Scaling {
    guard let type = try first(of: ["rope_type", "type"]) else {
      let isPlain = try members().allSatisfy { $0.key == "rope_theta" }
      if isPlain { return .none }
      throw malformed(expected: "the field \"rope_type\"", remedy: "add the field")
    }
    switch try type.string() {
    case "default", "dynamic":
      // Dynamic scaling begins past max_position_embeddings, where no sequence goes.
      return .none
    case "linear":
      return .linear(factor: try rotaryFactor())
    case "llama3":
      return try llama3Scaling()
    case "yarn":
      return try yarnScaling(positions: positions)
    default:
      throw type.malformed(
        expected: #"one of "default", "linear", "dynamic", "llama3", "yarn""#,
        remedy: "use a supported scaling, or null")
    }
  }

  private func rotaryFactor() throws(FormatError) -> Double {
    try field("factor").number(in: 1...65536)
  }

  private func llama3Scaling() throws(FormatError) -> RotarySettings.Scaling {
    let low = try field("low_freq_factor").number(in: 1e-3...1e6)
    let high = try field("high_freq_factor")
    if try high.number(in: 1e-3...1e6) <= low {
      throw high.malformed(expected: "more than low_freq_factor, which is \(low)")
    }
    return .llama3(
      factor: try rotaryFactor(), lowFrequencyFactor: low, highFrequencyFactor: try high.number(),
      originalPositions: try size("original_max_position_embeddings"))
  }

  private func yarnScaling(positions: Int) throws(FormatError) -> RotarySettings.Scaling {
    if let truncate = try optional("truncate"), try !truncate.bool() {
      throw truncate.malformed(expected: "true: the ramp's ends are rounded")
    }
    let factor = try rotaryFactor()
    let slow = try optional("beta_slow")?.number(in: 1e-3...1e6) ?? 1
    let fast = try optional("beta_fast")?.number(in: 1e-3...1e6) ?? 32
    if fast < slow {
      throw malformed(
        expected: "beta_fast of at least beta_slow, which is \(slow)", found: "\(fast)")
    }
    let original = try optional("original_max_position_embeddings")
    return .yarn(
      factor: factor, betaFast: fast, betaSlow: slow,
      originalPositions: try original?.positiveInteger(upTo: ModelLimits.dimension) ?? positions,
      attentionFactor: try yarnAttentionFactor(factor))
  }

  private func yarnAttentionFactor(_ factor: Double) throws(FormatError) -> Double {
    if let stated = try optional("attention_factor") { return try stated.number(in: 1e-3...1e3) }
    func magnitude(_ scale: Double) -> Double { factor > 1 ? 0.1 * scale * log(factor) + 1 : 1 }
    guard let mscale = try optional("mscale"), let all = try optional("mscale_all_dim") else {
      return magnitude(1)
    }
    return try magnitude(mscale.number(in: 1e-3...1e3)) / magnitude(all.number(in: 1e-3...1e3))
  }
}

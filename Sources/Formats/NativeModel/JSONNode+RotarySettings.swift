import PlanIR

extension JSONNode {
  /// The attributes of a rotary operation over heads of `width` features.
  func rotarySettings(width: Int) throws(FormatError) -> RotarySettings {
    let stated = try field("width")
    if try stated.integer() != width || !width.isMultiple(of: 2) {
      throw stated.malformed(
        expected: "head_width, which is \(width) and must be even",
        remedy: "heads are rotated whole, by pairs")
    }
    return RotarySettings(
      theta: try field("theta").number(in: 1.01...1e15), width: width,
      scaling: try optional("scaling")?.nativeScaling() ?? .none)
  }

  private func nativeScaling() throws(FormatError) -> RotarySettings.Scaling {
    let type = try field("type")
    switch try type.string() {
    case "linear":
      try refuseFields(besides: ["type", "factor"])
      return .linear(factor: try nativeFactor())
    case "llama3":
      return try nativeLlama3()
    case "yarn":
      return try nativeYarn()
    default:
      throw type.malformed(expected: #"one of "linear", "llama3", "yarn""#)
    }
  }

  private func nativeFactor() throws(FormatError) -> Double {
    try field("factor").number(in: 1...65536)
  }

  private func nativeLlama3() throws(FormatError) -> RotarySettings.Scaling {
    try refuseFields(besides: [
      "type", "factor", "low_frequency_factor", "high_frequency_factor", "original_positions",
    ])
    let low = try field("low_frequency_factor").number(in: 1e-3...1e6)
    let high = try field("high_frequency_factor")
    if try high.number(in: 1e-3...1e6) <= low {
      throw high.malformed(expected: "more than low_frequency_factor, which is \(low)")
    }
    return .llama3(
      factor: try nativeFactor(), lowFrequencyFactor: low, highFrequencyFactor: try high.number(),
      originalPositions: try size("original_positions"))
  }

  private func nativeYarn() throws(FormatError) -> RotarySettings.Scaling {
    try refuseFields(besides: [
      "type", "factor", "beta_fast", "beta_slow", "original_positions", "attention_factor",
    ])
    let slow = try field("beta_slow").number(in: 1e-3...1e6)
    let fast = try field("beta_fast")
    if try fast.number(in: 1e-3...1e6) < slow {
      throw fast.malformed(expected: "at least beta_slow, which is \(slow)")
    }
    return .yarn(
      factor: try nativeFactor(), betaFast: try fast.number(), betaSlow: slow,
      originalPositions: try size("original_positions"),
      attentionFactor: try field("attention_factor").number(in: 1e-3...1e3))
  }
}

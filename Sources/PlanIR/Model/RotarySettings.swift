#if canImport(Glibc)
  import Glibc
#endif

/// Rotary position embedding: base, width, and how long contexts stretch it.
///
/// Source: Su et al., RoFormer (arXiv 2104.09864), with the pairing (i, i + width/2) of Hugging
/// Face's Llama; scalings as Hugging Face's `modeling_rope_utils` defines them.
package struct RotarySettings: Hashable, Sendable {
  package var theta: Double
  package var width: Int
  package var scaling: Scaling

  package init(theta: Double, width: Int, scaling: Scaling = .none) {
    self.theta = theta
    self.width = width
    self.scaling = scaling
  }

  /// How frequencies are changed for contexts longer than those trained on.
  package enum Scaling: Hashable, Sendable {
    case none
    /// Every frequency divided by `factor`.
    case linear(factor: Double)
    /// Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between.
    case llama3(
      factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
      originalPositions: Int)
    /// YaRN (arXiv 2309.00071): a ramp over dimensions, and a factor on cosine and sine.
    case yarn(
      factor: Double, betaFast: Double, betaSlow: Double, originalPositions: Int,
      attentionFactor: Double)
  }

  /// The factor on cosine and sine; 1 but for YaRN.
  package var attentionFactor: Double {
    if case .yarn(_, _, _, _, let factor) = scaling { factor } else { 1 }
  }

  /// Radians a position for each of the width / 2 pairs.
  package var frequencies: [Double] {
    let base = (0..<width / 2).map { pow(theta, -2 * Double($0) / Double(width)) }
    switch scaling {
    case .none:
      return base
    case .linear(let factor):
      return base.map { $0 / factor }
    case .llama3(let factor, let low, let high, let original):
      return base.map { Self.llama3($0, factor, low, high, Double(original)) }
    case .yarn(let factor, let fast, let slow, let original, _):
      return yarn(base, factor, fast, slow, Double(original))
    }
  }

  private static func llama3(
    _ frequency: Double, _ factor: Double, _ low: Double, _ high: Double, _ original: Double
  ) -> Double {
    let wavelength = 2 * Double.pi / frequency
    if wavelength < original / high { return frequency }
    if wavelength > original / low { return frequency / factor }
    let smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }

  private func yarn(
    _ base: [Double], _ factor: Double, _ fast: Double, _ slow: Double, _ original: Double
  ) -> [Double] {
    func dimension(rotations: Double) -> Double {
      Double(width) * log(original / (rotations * 2 * Double.pi)) / (2 * log(theta))
    }
    let low = max(dimension(rotations: fast).rounded(.down), 0)
    let high = min(dimension(rotations: slow).rounded(.up), Double(width - 1))
    let span = max(high - low, 0.001)
    return base.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / span, 0), 1)
      return frequency / factor * ramp + frequency * (1 - ramp)
    }
  }
}

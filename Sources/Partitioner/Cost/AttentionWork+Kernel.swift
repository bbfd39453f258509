import PlanIR

extension AttentionWork {
  /// What a kernel of fused attention does; nil of any other.
  init?(_ kind: KernelKind, _ operands: @autoclosure () -> [TensorType]) {
    let (products, settings): (Int, AttentionSettings)
    switch kind {
    case .operation(.attention(let given)), .attentionStep(let given, _):
      (products, settings) = (2, given)
    case .operation(.attentionGradient(let given)), .attentionGradientStep(let given, _):
      (products, settings) = (5, given)
    default: return nil
    }
    let types = operands()
    guard let keys = types.first(where: { $0.dimensions.contains(.keyValueHeads) }),
      let place = keys.index(of: .sequence), let width = keys.index(of: .headWidth)
    else { return nil }
    self.init(
      products: products,
      seenKeys: settings.seenPart(of: keys.sizes[place]).of(Double(keys.localSizes[place])),
      headWidth: keys.sizes[width])
  }
}

/// What part of all keys a query sees on average.
struct SeenPart {
  /// As a fraction: of twice the square of the sequence.
  fileprivate let numerator, denominator: Int

  func of(_ keys: Double) -> Double { keys * Double(numerator) / Double(denominator) }

  /// At least one, to the nearest.
  func of(_ count: Int) -> Int { max(1, Int(of(Double(count)).rounded())) }
}

extension AttentionSettings {
  /// What of a sequence of `keys` queries see: all, or under a causal mask half, w of them at most in a window of w. Of
  /// w s - w^2/2 pairs (derived: w a query, but for those that the first w queries have less) a window of the whole
  /// sequence leaves half.
  func seenPart(of keys: Int) -> SeenPart {
    let window = min(self.window ?? keys, keys)
    let seen = window * (2 * keys - window)
    return causal
      ? SeenPart(numerator: seen, denominator: 2 * keys * keys)
      : SeenPart(numerator: keys * keys + seen, denominator: 2 * keys * keys)
  }
}

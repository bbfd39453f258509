import PlanIR

extension AttentionWork {
  /// What a kernel of fused attention does; nil of any other.
  init?(_ kind: KernelKind, _ types: [TensorType]) {
    let (products, settings): (Int, AttentionSettings)
    switch kind {
    case .operation(.attention(let given)), .attentionStep(let given, _):
      (products, settings) = (2, given)
    case .operation(.attentionGradient(let given)), .attentionGradientStep(let given, _):
      (products, settings) = (5, given)
    default: return nil
    }
    guard let keys = types.first(where: { $0.dimensions.contains(.keyValueHeads) }),
      let place = keys.index(of: .sequence), let width = keys.index(of: .headWidth)
    else { return nil }
    self.init(
      products: products, keys: keys.localSizes[place], isCausal: settings.causal,
      headWidth: keys.sizes[width])
  }
}

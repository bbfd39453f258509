internal import PlanIR

extension ForwardPass {
  /// The value of `operation` on `operands`, recorded on the tape.
  mutating func run(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    try scope.require(
      operation.kind.isTaking(operands.count), "as many operands as it takes", operation, operands)
    switch operation.kind {
    case .embedding: return try embed(operation, operands, scope)
    case .positionEmbedding: return try addPositions(operation, operands, scope)
    case .linear: return try linear(operation, operands, scope)
    case .add: return try add(operation, operands, scope)
    case .norm(let kind, let epsilon):
      return try norm(kind, epsilon, operation, operands, scope)
    case .activation(let kind): return activate(kind, operands[0])
    case .gatedActivation(let kind): return try gate(kind, operation, operands, scope)
    case .rotary(let settings): return try rotate(settings, operation, operands, scope)
    case .attention(let settings): return try attend(settings, operation, operands, scope)
    case .dropout: return drop(operands[0], site: scope.dropoutSite(operation.output))
    case .crossEntropy: return try crossEntropy(operation, operands, scope)
    }
  }
}

extension ModelOperation.Kind {
  fileprivate func isTaking(_ count: Int) -> Bool {
    switch self {
    case .embedding, .activation, .rotary, .dropout, .crossEntropy: count == 1
    case .positionEmbedding, .add, .gatedActivation: count == 2
    case .linear: count == 2 || count == 3
    case .norm(let kind, _): count == 2 || count == 3 && kind == .layer
    case .attention: count == 3
    }
  }
}

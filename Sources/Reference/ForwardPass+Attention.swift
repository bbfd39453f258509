internal import PlanIR

extension ForwardPass {
  /// Scaled dot-product attention of query [batch, sequence, heads, head_width] over key and value
  /// [batch, sequence, key_value_heads, head_width]; query head h reads key head h / group.
  mutating func attend(
    _ settings: AttentionSettings, _ operation: ModelOperation, _ operands: [Tensor],
    _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (query, key) = (operands[0], operands[1])
    let keys: [Dimension] = [.batch, .sequence, .keyValueHeads, .headWidth]
    try scope.require(
      query.dimensions == [.batch, .sequence, .heads, .headWidth] && key.dimensions == keys
        && operands[2].dimensions == keys && query.shape[2].isMultiple(of: key.shape[2]),
      "query [batch, sequence, heads, head_width], key and value with key_value_heads that divide",
      operation, operands)
    let attention = AttentionHeads(
      settings: settings, shape: query.shape, keyHeads: key.shape[2],
      mask: DropoutMask(
        workload.dropout, seed: seed, site: scope.dropoutSite(operation.output + ".dropped")),
      product: product)
    let values = operands.map(\.elements)
    let elements = attention.forward(values)
    return tape.record(like: query, elements, from: operands) { gradient in
      attention.backward(values, gradient)
    }
  }
}

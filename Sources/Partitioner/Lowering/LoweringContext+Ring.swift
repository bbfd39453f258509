import PlanIR

extension LoweringContext {
  /// The axis along which keys and values go round; nil where attention is no ring.
  var ring: AxisReference? {
    choices.contextAttention == .ring ? mesh.axis("context") : nil
  }

  /// In which order the program's places of the sequence run through positions: so that the devices
  /// of a ring have equal work under a causal mask.
  var sequenceOrder: SequenceOrder { ring.map { .zigzag(parts: $0.size) } ?? .identity }

  /// Refuses a ring without an axis to go round, of unfused attention, or of chunks that do not divide.
  static func checkRing(
    _ choices: PlanChoices, _ workload: Workload, _ sizes: DimensionSizes
  ) throws(ConstraintViolation) {
    guard choices.contextAttention == .ring else { return }
    let parts = choices.degree("context")
    guard parts > 1 else {
      throw ConstraintViolation(
        constraint: "ring attention goes round a context axis", found: "context 1",
        needed: "context 2 or more", remedy: "--context 2, or --context-attention all-to-all")
    }
    guard workload.attention == .fused else {
      throw ConstraintViolation(
        constraint: "ring attention is fused: it never has a row of scores whole",
        found: "attention unfused", needed: "attention fused",
        remedy: "--attention fused, or --context-attention all-to-all")
    }
    guard sizes[.sequence] % (2 * parts) == 0 else {
      throw .unbalancedRing(
        sequence: sizes[.sequence], parts: parts, heads: sizes[.heads] / choices.tensorDegree)
    }
  }
}

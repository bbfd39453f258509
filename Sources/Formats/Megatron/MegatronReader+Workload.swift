import PlanIR

extension MegatronReader {
  /// The step that the flags describe, with Megatron's defaults.
  mutating func readWorkload() throws(LaunchError) {
    var workload = WorkloadOverrides()
    workload.globalBatch = try flags.integer("--global-batch-size", in: 1...ModelLimits.globalBatch)
    let range = 1...ModelLimits.dimension
    workload.sequence =
      try flags.integer(anyOf: ["--seq-length", "--encoder-seq-length"], in: range)
    workload.padVocabulary =
      try flags.integer("--make-vocab-size-divisible-by", in: range) ?? 128
    workload.precision = try precision()
    workload.dropout = try dropout()
    workload.attention = try attention()
    workload.optimizer = try optimizer()
    reading.configuration.workload = workload
  }

  private mutating func precision() throws(LaunchError) -> Precision {
    let (isHalf, isBrain) = (flags.flag("--fp16"), flags.flag("--bf16"))
    if isHalf && isBrain {
      throw LaunchError(
        "--fp16", expected: "no --bf16 beside it", found: "both", remedy: "drop one of them")
    }
    if isHalf && !flags.names.contains("--accumulate-allreduce-grads-in-fp32") {
      note("--fp16 keeps gradients in 2 bytes; they are priced as 4")
    }
    if !isHalf && !isBrain { note("neither --bf16 nor --fp16: fp32, as in Megatron") }
    return isHalf || isBrain ? .mixed : .fp32
  }

  private mutating func dropout() throws(LaunchError) -> Double {
    let range = 0...ModelLimits.dropout
    let attention = try flags.number("--attention-dropout", in: range)
    let hidden = try flags.number("--hidden-dropout", in: range)
    let missing = [("--attention-dropout", attention), ("--hidden-dropout", hidden)]
      .filter { $0.1 == nil }.map(\.0)
    if !missing.isEmpty {
      note("\(missing.joined(separator: " and ")) not given: 0.1, Megatron's default")
    }
    let (first, second) = (attention ?? 0.1, hidden ?? 0.1)
    if first != second {
      note("dropout of attention \(first) and of hidden \(second) are priced as the larger")
    }
    return max(first, second)
  }

  private mutating func attention() throws(LaunchError) -> AttentionForm {
    let backend = try flags.choice(
      "--attention-backend", of: ["flash", "fused", "unfused", "local", "auto"])
    let isFlash = flags.flag("--use-flash-attn")
    let implementation = try flags.choice(
      "--transformer-impl", of: ["transformer_engine", "local", "inference_optimized"])
    if isFlash || backend == "flash" || backend == "fused" { return .fused }
    if backend == "unfused" || backend == "local" || implementation == "local" { return .unfused }
    let given = backend.map { "--attention-backend \($0)" } ?? "no --attention-backend"
    note("\(given): fused attention, which Transformer Engine takes where it can")
    return .fused
  }

  private mutating func optimizer() throws(LaunchError) -> Optimizer {
    let name = try flags.text("--optimizer") ?? "adam"
    if name == "sgd" {
      note("--optimizer sgd is priced without its momentum, 4 bytes a parameter in Megatron")
    }
    if name != "sgd" && name != "adam" {
      reading.unpriced.append("--optimizer \(name) (priced as adam)")
    }
    return name == "sgd" ? .sgd : .adamw
  }

  // MARK: - The model

  /// Refuses flags that say another model than the one that is audited.
  mutating func checkModel() throws(LaunchError) {
    let sizes = model.sizes
    try checkSize("--num-layers", model.layers)
    try checkSize("--encoder-num-layers", model.layers)
    try checkSize("--hidden-size", sizes[.hidden])
    try checkSize("--num-attention-heads", sizes[.heads])
    try checkSize("--ffn-hidden-size", sizes[.wide])
    try checkSize("--kv-channels", sizes[.headWidth])
    noteWidths()
    try checkGroups()
    try checkPositions()
    try checkVocabulary()
    try checkKinds()
  }

  private mutating func checkSize(_ name: String, _ expected: Int) throws(LaunchError) {
    guard let found = try flags.integer(name), found != expected else { return }
    throw contradiction(name, "\(expected)", "\(found)")
  }

  /// Widths that Megatron derives where a launch does not say them.
  private mutating func noteWidths() {
    let (hidden, heads) = (model.sizes[.hidden], model.sizes[.heads])
    let gated = Int(Double(4 * hidden) * 2 / 3) / 64 * 64
    let derived = [
      (
        "--ffn-hidden-size", model.sizes[.wide],
        flags.names.contains("--swiglu") ? gated : 4 * hidden
      ), ("--kv-channels", model.sizes[.headWidth], heads > 0 ? hidden / heads : 0),
    ]
    for (flag, own, other) in derived
    where describesModel && !flags.names.contains(flag) && own > 0 && own != other {
      note(
        "no \(flag): Megatron would train \(other), while \(model.name) has \(own): priced as \(model.name)"
      )
    }
  }

  private func contradiction(
    _ name: String, _ expected: String, _ found: String
  ) -> LaunchError {
    LaunchError(
      name, expected: "\(expected), as \(model.name) has", found: found,
      remedy: "give the MODEL that is trained, or correct the flag")
  }

  /// Megatron's groups of key/value heads: as many as heads without `--group-query-attention`, and one with it alone.
  private mutating func checkGroups() throws(LaunchError) {
    let (heads, groups) = (model.sizes[.heads], model.sizes[.keyValueHeads])
    guard flags.flag("--group-query-attention") else {
      let isGiven = try flags.integer("--num-query-groups") != nil
      if isGiven || (groups != heads && describesModel) {
        note(
          "no --group-query-attention\(isGiven ? " beside --num-query-groups" : ""): Megatron trains a group a "
            + "head; priced with the \(groups) groups of \(model.name)")
      }
      return
    }
    if try flags.integer("--num-query-groups") == nil, groups != 1 {
      throw contradiction(
        "--num-query-groups", "\(groups)", "none beside --group-query-attention, which is one group"
      )
    }
    try checkSize("--num-query-groups", groups)
  }

  /// A table of learned positions has its size from the model; others have none. No sequence may be longer.
  private mutating func checkPositions() throws(LaunchError) {
    guard let found = try flags.integer("--max-position-embeddings") else { return }
    if let sequence = reading.configuration.workload.sequence, sequence > found {
      throw LaunchError(
        "--seq-length", expected: "at most --max-position-embeddings, \(found)",
        found: "\(sequence)",
        remedy: "shorten sequences, or raise --max-position-embeddings")
    }
    let size = model.sizes[.positions]
    if size > 0 && size != found {
      throw contradiction("--max-position-embeddings", "\(size)", "\(found)")
    }
  }

  /// A model may have the vocabulary as it is or as Megatron pads it.
  private mutating func checkVocabulary() throws(LaunchError) {
    let expected = model.sizes[.vocabulary]
    let range = 1...ModelLimits.dimension
    if let found = try flags.integer("--vocab-size", in: range), found != expected,
      try padded(found) != expected
    {
      throw contradiction("--vocab-size", "\(expected)", "\(found)")
    }
    guard let found = try flags.integer("--padded-vocab-size", in: range) else { return }
    if found < expected {
      throw contradiction("--padded-vocab-size", "\(expected) or more", "\(found)")
    }
    if let own = try padded(expected), own != found {
      note(
        "--padded-vocab-size \(found) is priced as \(own), which --make-vocab-size-divisible-by gives"
      )
    }
  }

  /// What Megatron pads a vocabulary of `size` to; nil where that is more than any has.
  private mutating func padded(_ size: Int) throws(LaunchError) -> Int? {
    let divisor = try flags.integer("--make-vocab-size-divisible-by") ?? 128
    let (multiple, overflow) = divisor.multipliedReportingOverflow(
      by: reading.configuration.tensor)
    guard !overflow, multiple <= 1 << 32 else { return nil }
    return (size + multiple - 1) / multiple * multiple
  }

  private mutating func checkKinds() throws(LaunchError) {
    let kinds = model.segments.flatMap(\.blocks).flatMap(\.operations).map(\.kind)
    var (isGated, isRotary, isRMS) = (false, false, false)
    for kind in kinds {
      switch kind {
      case .gatedActivation: isGated = true
      case .rotary: isRotary = true
      case .norm(.rms, _): isRMS = true
      case .embedding, .positionEmbedding, .linear, .add, .norm, .activation, .attention, .dropout,
        .crossEntropy:
        break
      }
    }
    let isSwiGLU = flags.flag("--swiglu")
    if isSwiGLU && !isGated { throw contradiction("--swiglu", "no gate", "a gated activation") }
    if isGated && !isSwiGLU { noteDefault("--swiglu", "a gated activation") }
    let norm = try flags.choice("--normalization", of: ["LayerNorm", "RMSNorm"])
    if isRMS && norm == nil { noteDefault("--normalization RMSNorm", "RMS norms") }
    if let norm, (norm == "RMSNorm") != isRMS {
      throw contradiction("--normalization", isRMS ? "RMSNorm" : "LayerNorm", norm)
    }
    var position = try flags.choice(
      "--position-embedding-type",
      of: ["learned_absolute", "rope", "yarn", "mrope", "relative", "none"])
    // What turns by other angles costs the same.
    if flags.flag("--use-rotary-position-embeddings") || position == "yarn" || position == "mrope" {
      position = "rope"
    }
    _ = flags.flag("--no-position-embedding")
    if isRotary && position == nil {
      noteDefault("--position-embedding-type rope", "rotary positions")
    }
    if let position, (position == "rope") != isRotary {
      let own = isRotary ? "rope" : "learned_absolute"
      throw contradiction("--position-embedding-type", own, position)
    }
    checkTies()
    checkBiases()
  }

  /// Whether the launch describes its model: what it leaves out is then Megatron's default.
  private var describesModel: Bool {
    flags.names.contains("--num-layers") || flags.names.contains("--hidden-size")
  }

  /// What a launch that describes its model leaves out is Megatron's default, which the model is not.
  private mutating func noteDefault(_ flag: String, _ own: String) {
    guard describesModel else { return }
    note("no \(flag), while \(model.name) has \(own): priced as \(model.name)")
  }

  private mutating func checkTies() {
    let isTied = model.segments.contains { $0.blocks.contains { !$0.borrowed.isEmpty } }
    let unties = flags.flag("--untie-embeddings-and-output-weights")
    if unties == isTied && (unties || describesModel) {
      note(
        isTied
          ? "\(model.name) ties embedding and head; --untie-embeddings-and-output-weights is not "
            + "priced"
          : "no --untie-embeddings-and-output-weights, while \(model.name) has a head of its own: "
            + "priced as \(model.name)")
    }
  }

  private mutating func checkBiases() {
    let hasBias = model.segments.flatMap(\.blocks).contains { block in
      block.blockClass == .mlp
        && block.operations.contains { $0.kind == .linear && $0.inputs.count > 2 }
    }
    let disables = flags.flag("--disable-bias-linear")
    _ = flags.flag("--add-qkv-bias")
    if disables == hasBias && (disables || describesModel) {
      note(
        "\(model.name) has \(hasBias ? "" : "no ")biases in its linears: priced so, "
          + "\(disables ? "with" : "without") --disable-bias-linear")
    }
  }
}

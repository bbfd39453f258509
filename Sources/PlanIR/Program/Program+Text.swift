extension Program {
  /// The whole program as text, the same for equal programs: parameters, bodies, and the order of
  /// calls with repetitions left out.
  package var canonicalText: String {
    var lines = ["mesh " + mesh.axes.map { "\($0.name)=\($0.size)" }.joined(separator: " ")]
    if case .zigzag(let parts) = sequenceOrder { lines.append("sequence zigzag over \(parts)") }
    for parameter in parameters {
      lines.append(
        "parameter \(parameter.name) x \(parameter.repetitions): \(text(parameter.type))"
          + (parameter.unreduced.isEmpty
            ? "" : " gradient unreduced {\(mesh.name(of: parameter.unreduced))}")
          + text("gradient", parameter.gradientChunks) + text("state", parameter.stateChunks))
    }
    for body in bodies { lines += text(body) }
    for stage in stages { lines.append(text(stage)) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func text(_ stage: Stage) -> String {
    let calls = stage.calls.map { call in
      "\(bodies[call.body].name)[\(call.position.layer)]@\(call.microBatch)"
    }
    let layers = stage.layers.map { "\($0.lowerBound)..<\($0.upperBound)" }
    return "stage layers \(layers.joined(separator: ", ")): "
      + calls.joined(separator: " ")
  }

  private func text(_ part: String, _ chunks: [AxisReference]) -> String {
    chunks.isEmpty ? "" : " \(part) chunks {\(mesh.name(of: chunks))}"
  }

  private func text(_ type: TensorType) -> String {
    let dimensions = zip(type.dimensions, type.sizes).map { "\($0.rawValue) \($1)" }
    return "[\(dimensions.joined(separator: ", "))] \(type.width.rawValue) "
      + type.sharding.text(in: mesh)
  }

  private func text(_ body: Body) -> [String] {
    func name(_ buffer: BufferID) -> String { "%\(buffer).\(body.buffers[buffer].name)" }
    func names(_ buffers: [BufferID]) -> String { buffers.map(name).joined(separator: ", ") }
    var lines = ["body \(body.name)"]
    for taken in body.takes { lines.append("  take \(taken.slot.text) -> \(name(taken.buffer))") }
    for instruction in body.instructions {
      switch instruction {
      case .allocate(let buffer):
        lines.append("  allocate \(name(buffer)): \(text(body.buffers[buffer].type))")
      case .free(let buffer):
        lines.append("  free \(name(buffer))")
      case .kernel(let call):
        lines.append(
          "  \(call.kind.text) (\(names(call.reads))) \(call.accumulate ? "+=" : "->") "
            + "(\(names(call.writes)))")
      case .start(let token, let collective, let axes, let from, let into):
        lines.append(
          "  start #\(token) \(collective.text) over \(mesh.name(of: axes)) \(name(from)) -> "
            + name(into))
      case .await(let token):
        lines.append("  await #\(token)")
      case .send(let buffer, let message):
        lines.append("  send \(name(buffer)) \(message.text(in: mesh))")
      case .receive(let buffer, let message):
        lines.append("  receive \(name(buffer)) \(message.text(in: mesh))")
      case .settle(let buffer, let message):
        lines.append("  settle \(name(buffer)) \(message.text(in: mesh))")
      }
    }
    for given in body.gives { lines.append("  give \(name(given.buffer)) -> \(given.slot.text)") }
    return lines
  }
}

extension KernelKind {
  /// The kernel's name; of a step of a ring, whose keys and values it works on.
  fileprivate var text: String {
    switch self {
    case .attentionStep(_, let hop), .attentionGradientStep(_, let hop):
      "\(name) \(hop.hops)"
    default: name
    }
  }
}

extension Slot {
  /// The slot's name in texts.
  package var text: String {
    switch self {
    case .stream: "stream"
    case .gradient: "gradient"
    case .kept(let name): "kept \(name)"
    case .borrowed(let name): "borrowed \(name)"
    }
  }
}

extension Message {
  /// The message in texts: `stream along pipeline by 1`.
  func text(in mesh: Mesh) -> String {
    "\(slot.text) along \(mesh.name(of: axis)) by \(shift)"
  }
}

extension Collective {
  /// The collective with its dimensions, in texts.
  package var text: String {
    switch self {
    case .allGather(let dimension): "all-gather \(dimension.rawValue)"
    case .reduceScatter(let dimension, let reduction):
      "reduce-scatter \(dimension.rawValue) \(reduction.rawValue)"
    case .allReduce(let reduction): "all-reduce \(reduction.rawValue)"
    case .allReduceEnds(let reduction): "all-reduce of the ends \(reduction.rawValue)"
    case .allToAll(let split, let concatenate):
      "all-to-all \(concatenate.rawValue) -> \(split.rawValue)"
    case .gatherChunks: "all-gather chunks"
    case .scatterChunks(let reduction): "reduce-scatter chunks \(reduction.rawValue)"
    case .permute(let shift): "permute by \(shift)"
    case .broadcast, .reduce: name
    }
  }
}

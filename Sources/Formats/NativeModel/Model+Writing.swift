import PlanIR

extension Model.Segment {
  /// This segment in the native format.
  var value: JSONValue { ["count": .integer(count), "blocks": .array(blocks.map(\.value))] }
}

extension Block {
  fileprivate var value: JSONValue {
    var members: [JSONMember] = [
      JSONMember(key: "name", value: .string(name)),
      JSONMember(key: "class", value: .string(blockClass.rawValue)),
      JSONMember(key: "parameters", value: .array(parameters.map(\.value))),
      JSONMember(key: "operations", value: .array(operations.map(\.value))),
      JSONMember(key: "output", value: .string(output)),
    ]
    if !borrowed.isEmpty {
      members.append(JSONMember(key: "borrowed", value: .strings(borrowed)))
    }
    if !shardings.isEmpty {
      let values = shardings.sorted { $0.key < $1.key }.map { name, dimensions in
        JSONMember(key: name, value: .array(dimensions.map { JSONValue.strings($0) }))
      }
      members.append(JSONMember(key: "shardings", value: .object(values)))
    }
    return .object(members)
  }
}

extension Parameter {
  fileprivate var value: JSONValue {
    var slice: [JSONMember] = [JSONMember(key: "tensor", value: .string(checkpoint.tensor))]
    if let part = checkpoint.part {
      let value: JSONValue = [
        "axis": .integer(part.axis), "offset": .integer(part.offset),
        "total": .integer(part.total),
      ]
      slice.append(JSONMember(key: "part", value: value))
    }
    return [
      "name": .string(name), "dimensions": .strings(dimensions.map(\.rawValue)),
      "initial": ["mean": .number(initial.mean), "deviation": .number(initial.deviation)],
      "checkpoint": .object(slice),
    ]
  }
}

extension ModelOperation {
  fileprivate var value: JSONValue {
    .object(
      [
        JSONMember(key: "operation", value: .string(kind.name.rawValue)),
        JSONMember(key: "inputs", value: .strings(inputs)),
        JSONMember(key: "output", value: .string(output)),
      ] + kind.attributes)
  }
}

extension ModelOperation.Kind {
  fileprivate var name: OperationName {
    switch self {
    case .embedding: .embedding
    case .positionEmbedding: .positionEmbedding
    case .linear: .linear
    case .add: .add
    case .norm: .norm
    case .activation: .activation
    case .gatedActivation: .gatedActivation
    case .rotary: .rotary
    case .attention: .attention
    case .dropout: .dropout
    case .crossEntropy: .crossEntropy
    }
  }

  fileprivate var attributes: [JSONMember] {
    switch self {
    case .embedding, .positionEmbedding, .linear, .add, .dropout, .crossEntropy:
      []
    case .norm(let kind, let epsilon):
      [
        JSONMember(key: "norm", value: .string(kind.rawValue)),
        JSONMember(key: "epsilon", value: .number(epsilon)),
      ]
    case .activation(let kind), .gatedActivation(let kind):
      [JSONMember(key: "function", value: .string(kind.rawValue))]
    case .rotary(let settings):
      settings.attributes
    case .attention(let settings):
      settings.attributes
    }
  }
}

extension AttentionSettings {
  fileprivate var attributes: [JSONMember] {
    let always = [
      JSONMember(key: "causal", value: .bool(causal)),
      JSONMember(key: "scale", value: .number(scale)),
    ]
    guard let window else { return always }
    return always + [JSONMember(key: "window", value: .integer(window))]
  }
}

extension RotarySettings {
  fileprivate var attributes: [JSONMember] {
    let always = [
      JSONMember(key: "theta", value: .number(theta)),
      JSONMember(key: "width", value: .integer(width)),
    ]
    guard let scaling = scaling.value else { return always }
    return always + [JSONMember(key: "scaling", value: scaling)]
  }
}

extension RotarySettings.Scaling {
  fileprivate var value: JSONValue? {
    switch self {
    case .none:
      nil
    case .linear(let factor):
      ["type": "linear", "factor": .number(factor)]
    case .llama3(let factor, let low, let high, let original):
      [
        "type": "llama3", "factor": .number(factor), "low_frequency_factor": .number(low),
        "high_frequency_factor": .number(high), "original_positions": .integer(original),
      ]
    case .yarn(let factor, let fast, let slow, let original, let attentionFactor):
      [
        "type": "yarn", "factor": .number(factor), "beta_fast": .number(fast),
        "beta_slow": .number(slow), "original_positions": .integer(original),
        "attention_factor": .number(attentionFactor),
      ]
    }
  }
}

extension WorkloadOverrides {
  /// The fields that are set, in the native format.
  var value: JSONValue {
    var members: [JSONMember] = []
    func set(_ key: String, _ value: JSONValue?) {
      if let value { members.append(JSONMember(key: key, value: value)) }
    }
    set("global_batch", globalBatch.map { .integer($0) })
    set("sequence", sequence.map { .integer($0) })
    set("precision", precision.map { .string($0.rawValue) })
    set("optimizer", optimizer.map { .string($0.rawValue) })
    set("attention", attention.map { .string($0.rawValue) })
    set("dropout", dropout.map { .number($0) })
    set("pad_vocabulary", padVocabulary.map { .integer($0) })
    return .object(members)
  }
}

extension JSONValue {
  /// An array of strings.
  static func strings(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
}

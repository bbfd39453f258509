import PlanIR

extension JSONNode {
  /// Whether the object has the field, be it null: a configuration class takes its default only
  /// where the field is missing.
  func states(_ name: String) throws(FormatError) -> Bool {
    try members().contains { $0.key == name }
  }

  /// The field under the first of `names` that is there and not null.
  func first(of names: [String]) throws(FormatError) -> JSONNode? {
    for name in names {
      if let node = try optional(name) { return node }
    }
    return nil
  }

  /// A size of a model.
  func size(_ name: String, limit: Int = ModelLimits.dimension) throws(FormatError) -> Int {
    try field(name).positiveInteger(upTo: limit)
  }

  /// A size under any of its names.
  func size(
    anyOf names: [String], limit: Int = ModelLimits.dimension
  ) throws(FormatError) -> Int {
    if let node = try first(of: names) { return try node.positiveInteger(upTo: limit) }
    return try size(names[0], limit: limit)
  }

  /// The truth under `name`, `standard` where it is missing or null.
  func flag(_ name: String, default standard: Bool) throws(FormatError) -> Bool {
    try optional(name)?.bool() ?? standard
  }

  /// A small positive constant such as a norm's epsilon.
  func epsilon(_ name: String, default standard: Double) throws(FormatError) -> Double {
    try optional(name)?.number(in: 1e-30...1) ?? standard
  }

  /// Refuses a true flag.
  func refuseFlag(_ name: String, because reason: String) throws(FormatError) {
    guard let node = try optional(name), try node.bool() else { return }
    throw node.malformed(expected: "false: \(reason)", remedy: "use a model without it")
  }

  /// The nonlinearity that Hugging Face calls by the name under `name`.
  func activation(
    _ name: String, default standard: ActivationKind
  ) throws(FormatError) -> ActivationKind {
    guard let node = try optional(name) else { return standard }
    let known: [(String, ActivationKind)] = [
      ("gelu_new", .geluTanh), ("gelu_pytorch_tanh", .geluTanh), ("gelu", .geluErf),
      ("relu", .relu), ("silu", .silu), ("swish", .silu),
    ]
    let text = try node.string()
    if let kind = known.first(where: { $0.0 == text })?.1 { return kind }
    let names = known.map { $0.0.quoted() }.joined(separator: ", ")
    throw node.malformed(expected: "one of \(names)", remedy: "use a supported nonlinearity")
  }

  /// Refuses unless the size at `divisor` divides `size`, which is the field `name`.
  func requireMultiple(
    _ name: String, _ size: Int, of divisor: Int, called divisorName: String
  ) throws(FormatError) {
    if size.isMultiple(of: divisor) { return }
    let node = JSONNode(.integer(size), file: file, path: "\(path).\(name)")
    throw node.malformed(expected: "a multiple of \(divisorName), which is \(divisor)")
  }
}

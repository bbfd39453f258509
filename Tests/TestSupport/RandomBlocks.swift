import Formats
import PlanIR

extension RandomPlan {
  /// As ``stagedProof(devices:)``, of a model whose layers are of drawn operations.
  package mutating func proofOfBlocks(devices: Int) throws -> ProofCase {
    while true {
      var proof = stagedProof(devices: devices)
      proof.other = try model(of: proof)
      if (try? proof.plan()) != nil { return proof }
    }
  }

  /// A model of the sizes of `proof`'s, of one kind of layer.
  private mutating func model(of proof: ProofCase) throws -> Model {
    let sample = proof.sample
    let count = pick([1, 1, 2, 3])
    let layer = (0..<count).map { place in
      block("block\(place)", of: pick(["mlp", "mlp", "attention"]))
    }
    let sizes = [
      ("hidden", sample.hidden), ("ffn", sample.wide), ("heads", sample.heads),
      ("key_value_heads", sample.keyValueHeads), ("head_width", sample.headWidth),
      ("vocabulary", sample.vocabulary),
    ]
    let used = sizes.filter { name, _ in
      ["hidden", "vocabulary"].contains(name) || layer.contains { $0.contains("\"\(name)\"") }
    }
    let dimensions = used.map { "\"\($0)\":\($1)" }.joined(separator: ",")
    let text = """
      {"schema":"tpplan.model/1","name":"drawn","family":"drawn",
       "maximum_sequence":\(proof.workload.sequence),"dimensions":{\(dimensions)},
       "segments":[
        {"count":1,"blocks":[{"class":"embedding","name":"embedding",
         "parameters":[{"name":"table","dimensions":["vocabulary","hidden"]}],
         "operations":[{"operation":"embedding","inputs":["table"],"output":"o"}],"output":"o"}]},
        {"count":\(sample.layers),"blocks":[\(layer.joined(separator: ","))]},
        {"count":1,"blocks":[{"class":"head","name":"head",
         "parameters":[{"name":"w","dimensions":["vocabulary","hidden"]}],
         "operations":[{"operation":"linear","inputs":["input","w"],"output":"l"},
                       {"operation":"cross_entropy","inputs":["l"],"output":"loss"}],
         "output":"loss"}]}]}
      """
    let document = try JSONDocument(bytes: Array(text.utf8), file: "drawn.json")
    return try NativeModel.model(of: document.root)
  }

  /// A block of `blockClass` of drawn operations, each value of which something reads.
  private mutating func block(_ name: String, of blockClass: String) -> String {
    var draft = BlockDraft()
    let isAttention = blockClass == "attention"
    if isAttention {
      for kind in [BlockDraft.Kind.heads, .keys, .keys] { draft.linear("input", to: kind) }
      draft.attend()
    }
    for _ in 0..<pick([1, 2, 4, 6]) { step(&draft, isAttention ? .heads : .wide) }
    draft.gather()
    return draft.text(name, blockClass)
  }

  /// One operation more, on any value.
  private mutating func step(_ draft: inout BlockDraft, _ inner: BlockDraft.Kind) {
    let value = pick(draft.unread.isEmpty ? draft.values : draft.values + draft.unread)
    switch pick(["linear", "linear", "norm", "activation", "gated", "add", "add", "dropout"]) {
    case "linear": draft.linear(value.name, to: value.kind == .hidden ? inner : .hidden)
    case "norm": draft.norm(value, pick(["rms", "layer"]))
    case "activation": draft.add("activation", [value.name], value.kind, #""function":"silu""#)
    case "gated":
      let other = pick(draft.values.filter { $0.kind == value.kind })
      let kind = #""function":"gelu_tanh""#
      draft.add("gated_activation", [value.name, other.name], value.kind, kind)
    case "add":
      let other = pick(draft.values.filter { $0.kind == value.kind })
      draft.add("add", [value.name, other.name], value.kind)
    default: draft.add("dropout", [value.name], value.kind)
    }
  }
}

/// A native block as it is drawn.
private struct BlockDraft {
  /// The dimensions of values beside batch and sequence.
  enum Kind: String {
    case hidden
    case wide = "ffn"
    case heads
    case keys = "key_value_heads"

    var dimensions: [String] {
      self == .heads || self == .keys ? [rawValue, "head_width"] : [rawValue]
    }
  }

  struct Value {
    let name: String
    let kind: Kind
  }

  private(set) var values = [Value(name: "input", kind: .hidden)]
  private var operations: [String] = []
  private var parameters: [String] = []
  private var read: Set<String> = []

  /// Values that nothing reads so far.
  var unread: [Value] { values.filter { !read.contains($0.name) } }

  private static func list(_ names: [String]) -> String {
    "[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]"
  }

  private mutating func parameter(_ dimensions: [String]) -> String {
    let name = "p\(parameters.count)"
    parameters.append("{\"name\":\"\(name)\",\"dimensions\":\(Self.list(dimensions))}")
    return name
  }

  /// Adds an operation on values and parameters; `fields` are those that it has beside.
  mutating func add(_ operation: String, _ inputs: [String], _ kind: Kind, _ fields: String = "") {
    let name = "v\(values.count)"
    operations.append(
      "{\"operation\":\"\(operation)\",\"inputs\":\(Self.list(inputs)),\"output\":\"\(name)\""
        + (fields.isEmpty ? "}" : ",\(fields)}"))
    read.formUnion(inputs)
    values.append(Value(name: name, kind: kind))
  }

  mutating func linear(_ value: String, to kind: Kind) {
    let from = values.first { $0.name == value }?.kind ?? .hidden
    add("linear", [value, parameter(kind.dimensions + from.dimensions)], kind)
  }

  mutating func norm(_ value: Value, _ kind: String) {
    let scale = parameter(value.kind.dimensions.suffix(1))
    add("norm", [value.name, scale], value.kind, "\"norm\":\"\(kind)\",\"epsilon\":0.01")
  }

  /// Attention of the last three values.
  mutating func attend() {
    add(
      "attention", values.suffix(3).map(\.name), .heads, #""causal":true,"scale":0.1,"window":null"#
    )
  }

  /// Adds up what nothing reads, as one value of the stream, and norms that: numbers stay small.
  mutating func gather() {
    for value in unread where value.kind != .hidden { linear(value.name, to: .hidden) }
    while unread.count > 1 { add("add", unread.prefix(2).map(\.name), .hidden) }
    if let last = values.last { norm(last, "rms") }
  }

  func text(_ name: String, _ blockClass: String) -> String {
    """
    {"class":"\(blockClass)","name":"\(name)","parameters":[\(parameters.joined(separator: ","))],
     "operations":[\(operations.joined(separator: ","))],"output":"\(values.last?.name ?? "")"}
    """
  }
}

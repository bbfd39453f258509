import PlanIR

/// Reads one native model; remembers where its parts stand, for errors found when it is whole.
struct NativeModelReader {
  let root: JSONNode
  var sizes = DimensionSizes()
  /// Nodes by the words in which ``ModelError`` tells a place.
  var places: [String: JSONNode] = [:]
  /// Parameters, `block/parameter`, that state their initial value.
  var stated: Set<String> = []
  /// Parameters that later blocks may borrow, `block/parameter`.
  var borrowable: Set<String> = []

  init(_ root: JSONNode) { self.root = root }

  /// The model, whole and verified.
  mutating func model() throws(FormatError) -> Model {
    let schema = try root.field("schema")
    if schema.value != .string(NativeModel.schema) {
      throw schema.malformed(
        expected: "the schema \(NativeModel.schema.quoted())", remedy: "use a file of that schema")
    }
    try root.refuseFields(besides: [
      "schema", "name", "family", "dimensions", "maximum_sequence", "segments", "workload",
    ])
    try readSizes()
    let model = Model(
      name: try root.field("name").label(), family: try root.field("family").label(), sizes: sizes,
      maximumSequence: try root.field("maximum_sequence")
        .positiveInteger(upTo: ModelLimits.dimension),
      segments: try segments(), workload: try root.optional("workload")?.workloadOverrides())
    try check(model)
    return try checkGraphs(of: model)
  }

  static let sizedDimensions: [Dimension] = [
    .hidden, .heads, .keyValueHeads, .headWidth, .wide, .vocabulary, .positions,
  ]

  private mutating func readSizes() throws(FormatError) {
    let node = try root.field("dimensions")
    try node.refuseFields(besides: Self.sizedDimensions.map(\.rawValue))
    _ = try node.field(Dimension.hidden.rawValue)
    for dimension in Self.sizedDimensions {
      guard let size = try node.optional(dimension.rawValue) else { continue }
      sizes[dimension] = try size.positiveInteger(upTo: ModelLimits.dimension)
    }
    guard ModelLimits.product(featureCounts, upTo: ModelLimits.dimension) != nil else {
      throw node.malformed(
        expected: "heads times head_width of at most 2^24", found: "more")
    }
    let (heads, keyValueHeads) = (sizes[.heads], sizes[.keyValueHeads])
    if heads > 0, keyValueHeads > 0, !heads.isMultiple(of: keyValueHeads) {
      throw try node.field("key_value_heads").malformed(
        expected: "a divisor of heads, which is \(heads)")
    }
  }

  private var featureCounts: [Int] { [max(sizes[.heads], 1), max(sizes[.headWidth], 1)] }

  private mutating func segments() throws(FormatError) -> [Model.Segment] {
    let node = try root.field("segments")
    let elements = try node.array()
    if elements.isEmpty || elements.count > ModelLimits.writtenParts {
      throw node.malformed(expected: "1 to \(ModelLimits.writtenParts) segments")
    }
    var segments: [Model.Segment] = []
    for element in elements {
      try element.refuseFields(besides: ["count", "blocks"])
      let count = try element.field("count").positiveInteger(upTo: ModelLimits.layers)
      var blocks: [Block] = []
      for block in try element.field("blocks").array() {
        blocks.append(try self.block(block, count: count))
      }
      if blocks.isEmpty {
        throw try element.field("blocks").malformed(expected: "at least one block")
      }
      segments.append(Model.Segment(count: count, blocks: blocks))
    }
    return segments
  }
}

extension JSONNode {
  /// A name of a block, parameter or value.
  func modelName() throws(FormatError) -> String {
    let text = try string()
    let isName = text.utf8.count <= 100 && text.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_.\-]*/) != nil
    if isName { return text }
    throw malformed(
      expected: "a name of letters, digits, underscores, dots and hyphens, at most 100")
  }

  /// The strings of an array.
  func strings() throws(FormatError) -> [String] {
    var texts: [String] = []
    for element in try array() { texts.append(try element.string()) }
    return texts
  }

  /// The fields of a workload that are set.
  fileprivate func workloadOverrides() throws(FormatError) -> WorkloadOverrides {
    try refuseFields(besides: [
      "global_batch", "sequence", "precision", "optimizer", "attention", "dropout",
      "pad_vocabulary",
    ])
    var workload = WorkloadOverrides()
    workload.globalBatch = try optional("global_batch")?
      .positiveInteger(upTo: ModelLimits.globalBatch)
    workload.sequence = try optional("sequence")?.positiveInteger(upTo: ModelLimits.dimension)
    workload.precision = try optional("precision")?.choice(of: Precision.self)
    workload.optimizer = try optional("optimizer")?.choice(of: Optimizer.self)
    workload.attention = try optional("attention")?.choice(of: AttentionForm.self)
    workload.dropout = try optional("dropout")?.number(in: 0...ModelLimits.dropout)
    workload.padVocabulary = try optional("pad_vocabulary")?
      .positiveInteger(upTo: ModelLimits.dimension)
    return workload
  }
}

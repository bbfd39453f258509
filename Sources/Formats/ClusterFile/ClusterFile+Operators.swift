import PlanIR

/// How a framework runs what is no product: `$.device.operators` of a cluster.
extension ClusterFile {
  static func operators(_ node: JSONNode) throws(FormatError) -> OperatorRates {
    try node.refuseFields(besides: [
      "families", "attention", "attention_gradient", "host_seconds", "recomputes_whole_layers",
      "gradient_bucket_bytes", "overlaps_gradients", "logit_bytes",
    ])
    return OperatorRates(
      families: try node.optional("families").map(families) ?? [:],
      attention: try node.optional("attention").map(attention),
      attentionGradient: try node.optional("attention_gradient").map(attention),
      hostSeconds: try node.optional("host_seconds")?.number(in: 0...1) ?? 0,
      recomputesWhole: try node.optional("recomputes_whole_layers")?.bool() ?? false,
      gradientBucket: try node.optional("gradient_bucket_bytes").map { bucket throws(FormatError) in
        Bytes(try bucket.positiveInteger(upTo: 1 << 50))
      },
      overlapsGradients: try node.optional("overlaps_gradients")?.bool() ?? false,
      logitBytes: try node.optional("logit_bytes")?.nonNegativeInteger(upTo: 1024) ?? 0)
  }

  private static func families(
    _ node: JSONNode
  ) throws(FormatError) -> [KernelFamily: OperatorRate] {
    try node.refuseFields(besides: KernelFamily.allCases.map(\.name))
    var rates: [KernelFamily: OperatorRate] = [:]
    for family in KernelFamily.allCases {
      guard let rate = try node.optional(family.name) else { continue }
      try rate.refuseFields(besides: ["traffic", "launches"])
      rates[family] = OperatorRate(
        traffic: try rate.field("traffic").number(in: 0...1000),
        launches: try rate.field("launches").nonNegativeInteger(upTo: 1000))
    }
    return rates
  }

  private static func attention(_ node: JSONNode) throws(FormatError) -> AttentionRate {
    try node.refuseFields(besides: [
      "start_seconds", "efficiency", "head_widths", "more_keys", "more_blocks", "block",
      "processors",
    ])
    return AttentionRate(
      startSeconds: try node.field("start_seconds").number(in: 0...1),
      efficiency: try node.field("efficiency").number(in: 0.001...2),
      widths: try widths(node.field("head_widths")),
      moreKeys: try node.field("more_keys").number(in: 0...1e6),
      moreBlocks: try node.field("more_blocks").number(in: 0...1000),
      block: try node.field("block").positiveInteger(upTo: 1 << 20),
      processors: try node.field("processors").positiveInteger(upTo: 1 << 20))
  }

  private static func widths(_ node: JSONNode) throws(FormatError) -> [AttentionRate.Width] {
    var widths: [AttentionRate.Width] = []
    for (key, value) in try node.members() {
      guard let width = Int(key), (1...1 << 20).contains(width) else {
        throw value.malformed(
          expected: "a head width as the key", remedy: "write it as \"128\": 1.0")
      }
      widths.append(.init(width: width, factor: try value.number(in: 0.001...10)))
    }
    return widths.sorted { $0.width < $1.width }
  }

  /// `rates`, as ``operators(_:)`` reads them.
  static func value(of rates: OperatorRates) -> JSONValue {
    var members: [JSONMember] = []
    let families = KernelFamily.allCases.compactMap { family in
      rates.families[family].map { rate in
        JSONMember(
          key: family.name,
          value: ["traffic": .number(rate.traffic), "launches": .integer(rate.launches)])
      }
    }
    if !families.isEmpty { members.append(JSONMember(key: "families", value: .object(families))) }
    for (key, rate) in [
      ("attention", rates.attention), ("attention_gradient", rates.attentionGradient),
    ] {
      if let rate { members.append(JSONMember(key: key, value: value(of: rate))) }
    }
    members.append(JSONMember(key: "host_seconds", value: .number(rates.hostSeconds)))
    members.append(
      JSONMember(key: "recomputes_whole_layers", value: .bool(rates.recomputesWhole)))
    members.append(
      JSONMember(key: "overlaps_gradients", value: .bool(rates.overlapsGradients)))
    members.append(JSONMember(key: "logit_bytes", value: .integer(rates.logitBytes)))
    if let bucket = rates.gradientBucket {
      members.append(JSONMember(key: "gradient_bucket_bytes", value: .integer(bucket.count)))
    }
    return .object(members)
  }

  private static func value(of rate: AttentionRate) -> JSONValue {
    [
      "start_seconds": .number(rate.startSeconds), "efficiency": .number(rate.efficiency),
      "head_widths": .object(
        rate.widths.map { JSONMember(key: "\($0.width)", value: .number($0.factor)) }),
      "more_keys": .number(rate.moreKeys), "more_blocks": .number(rate.moreBlocks),
      "block": .integer(rate.block), "processors": .integer(rate.processors),
    ]
  }
}

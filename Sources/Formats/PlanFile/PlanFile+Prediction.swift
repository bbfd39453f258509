package import PlanIR

extension PlanFile {
  /// Whether the bytes and memory computed anew are those in the file; so are the times, unless they come from
  /// timings, which may differ: then they are there.
  ///
  /// - Throws: ``FormatError`` that names the first key that differs.
  package func check(_ computed: Prediction) throws(FormatError) {
    try predicted.refuseFields(besides: [
      "step_seconds", "model_flops_utilization", "breakdown", "memory", "communication",
    ])
    let devices = choices.mesh.deviceCount
    let expected = JSONNode(
      JSONValue(computed, devices: devices), file: predicted.file, path: predicted.path)
    try checkMemory(expected)
    try checkTraffic(expected)
    for name in ["step_seconds", "model_flops_utilization"] {
      let computed = try expected.field(name)
      try checkTime(predicted.field(name), computed, of: computed.number())
    }
    try checkBreakdown(expected)
  }

  /// Whether a figure that follows from times is as computed, but for how another machine's mathematics rounds those
  /// of a `whole`: parts of a step are differences of such figures.
  private func checkTime(
    _ node: JSONNode, _ computed: JSONNode, of whole: Double
  ) throws(FormatError) {
    let (found, expected) = (try node.nonNegativeNumber(), try computed.number())
    if cluster.isLocal || abs(found - expected) <= 1e-6 * whole { return }
    throw node.malformed(
      expected: "\(JSONValue.number(expected).summary), as the choices give",
      remedy: "search again: the plan was edited or made by another version")
  }

  private func checkBreakdown(_ expected: JSONNode) throws(FormatError) {
    let names = ["compute", "communication_exposed", "bubble", "optimizer"]
    let breakdown = try predicted.field("breakdown")
    try breakdown.refuseFields(besides: names)
    let (parts, step) = (try expected.field("breakdown"), try stepSeconds(expected))
    for name in names { try checkTime(breakdown.field(name), parts.field(name), of: step) }
  }

  private func checkMemory(_ expected: JSONNode) throws(FormatError) {
    let names = [
      "weights", "gradients", "optimizer", "activations", "workspace", "framework", "total",
    ]
    let memory = try predicted.field("memory")
    try memory.refuseFields(besides: names)
    for name in names {
      try compare(memory.field(name), expected.field("memory").field(name).value)
    }
  }

  private func checkTraffic(_ expected: JSONNode) throws(FormatError) {
    let compared = ["axis", "collective", "total_bytes", "device_bytes"]
    let times = ["seconds", "exposed_seconds"]
    let step = try stepSeconds(expected)
    let entries = try predicted.field("communication").array()
    let computed = try expected.field("communication").array()
    guard entries.count == computed.count else {
      throw try predicted.field("communication").malformed(
        expected: "\(computed.count) entries, as the choices give",
        found: "\(entries.count)", remedy: "search again")
    }
    for (entry, computedEntry) in zip(entries, computed) {
      try entry.refuseFields(besides: compared + times)
      for name in compared { try compare(entry.field(name), computedEntry.field(name).value) }
      for name in times { try checkTime(entry.field(name), computedEntry.field(name), of: step) }
    }
  }

  private func stepSeconds(_ expected: JSONNode) throws(FormatError) -> Double {
    try expected.field("step_seconds").number()
  }

  private func compare(_ node: JSONNode, _ expected: JSONValue) throws(FormatError) {
    guard node.value != expected else { return }
    throw node.malformed(
      expected: "\(expected.summary), as the choices give", found: node.value.summary,
      remedy: "search again: the plan was edited or made by another version")
  }
}

package import PlanIR

extension PlanFile {
  /// Whether the bytes and memory computed anew are those in the file; so is the time of a step, unless it comes from
  /// timings, which may differ. Other times are there.
  ///
  /// - Throws: ``FormatError`` that names the first key that differs.
  package func check(_ computed: Prediction) throws(FormatError) {
    try predicted.refuseFields(besides: [
      "step_seconds", "model_flops_utilization", "breakdown", "memory", "communication",
    ])
    try checkBreakdown()
    let devices = choices.mesh.deviceCount
    let expected = JSONNode(
      JSONValue(computed, devices: devices), file: predicted.file, path: predicted.path)
    try checkMemory(expected)
    try checkTraffic(expected)
    try checkTime("step_seconds", computed.step.seconds)
    try checkTime("model_flops_utilization", computed.utilization)
  }

  /// Whether a figure that follows from times is as computed, but for how another machine's mathematics rounds.
  private func checkTime(_ name: String, _ expected: Double) throws(FormatError) {
    let node = try predicted.field(name)
    let found = try node.nonNegativeNumber()
    if cluster.isLocal || abs(found - expected) <= 1e-6 * expected { return }
    throw node.malformed(
      expected: "\(JSONValue.number(expected).summary), as the choices give",
      remedy: "search again: the plan was edited or made by another version")
  }

  private func checkBreakdown() throws(FormatError) {
    let names = ["compute", "communication_exposed", "bubble", "optimizer"]
    let breakdown = try predicted.field("breakdown")
    try breakdown.refuseFields(besides: names)
    for name in names { _ = try breakdown.field(name).nonNegativeNumber() }
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
      for name in times { _ = try entry.field(name).nonNegativeNumber() }
    }
  }

  private func compare(_ node: JSONNode, _ expected: JSONValue) throws(FormatError) {
    guard node.value != expected else { return }
    throw node.malformed(
      expected: "\(expected.summary), as the choices give", found: node.value.summary,
      remedy: "search again: the plan was edited or made by another version")
  }
}

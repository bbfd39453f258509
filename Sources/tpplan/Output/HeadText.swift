import PlanIR

/// What was asked, printed first: model, cluster, workload, with every default.
enum HeadText {
  static func lines(
    _ model: Model, _ cluster: Cluster, devices: Int, _ workload: Workload, limit: Bytes?
  ) -> String {
    let memory =
      "\(Units.bytes(cluster.device.memory)) each, limit \(limit.map(Units.bytes) ?? "none")"
    return lines(model, cluster, devices: "\(devices)", memory: memory, workload)
  }

  /// The same with devices and what each of them has in words.
  static func lines(
    _ model: Model, _ cluster: Cluster, devices: String, memory: String, _ workload: Workload
  ) -> String {
    let sizes = model.sizes
    return """
      model      \(model.name) (\(model.family)): \(Units.count(model.parameterCount)) parameters, \
      \(model.layers) layers, hidden \(sizes[.hidden]), heads \(sizes[.heads]), \
      key/value heads \(sizes[.keyValueHeads]), ffn \(sizes[.wide]), \
      vocabulary \(sizes[.vocabulary])
      cluster    \(cluster.name): \(devices) devices, \(cluster.devicesPerNode) a node, \
      \(memory)
      workload   global batch \(workload.globalBatch) sequences of \(workload.sequence) tokens, \
      precision \(workload.precision.rawValue), optimizer \(workload.optimizer.rawValue), \
      attention \(workload.attention.rawValue), dropout \(workload.dropout), \
      vocabulary padded to \(workload.padVocabulary)
      """
  }
}

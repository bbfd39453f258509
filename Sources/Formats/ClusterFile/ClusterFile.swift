package import PlanIR

/// Descriptions of clusters, `tpplan.cluster/1`: one device, the networks that join many, and where
/// each figure comes from. `docs/schemas/cluster.schema.json` is its schema.
package enum ClusterFile {
  /// The name under `schema`.
  package static let schema = "tpplan.cluster/1"

  /// The cluster at `node`, the root of a file or a part of one.
  ///
  /// - Throws: ``FormatError`` at what is missing, unknown, misspelt, out of range or contradictory.
  package static func cluster(of node: JSONNode) throws(FormatError) -> Cluster {
    let stated = try node.field("schema")
    if stated.value != .string(schema) {
      throw stated.malformed(
        expected: "the schema \(schema.quoted())", remedy: "use a file of that schema")
    }
    try node.refuseFields(besides: [
      "schema", "name", "device", "devices_per_node", "levels", "shared_cores", "sources",
    ])
    let cluster = Cluster(
      name: try node.field("name").label(), device: try device(node.field("device")),
      devicesPerNode: try node.field("devices_per_node").positiveInteger(upTo: 1 << 20),
      levels: try levels(node.field("levels")),
      sharedCores: try node.optional("shared_cores")?.positiveInteger(upTo: 1 << 20),
      sources: try sources(node.optional("sources")))
    guard let error = cluster.verify() else { return cluster }
    throw .malformed(
      file: node.file, place: "\(node.path).\(error.place)", expected: error.expected,
      found: error.found, remedy: error.remedy)
  }

  private static func device(_ node: JSONNode) throws(FormatError) -> Cluster.Device {
    try node.refuseFields(besides: [
      "name", "memory_bytes", "reserved_bytes", "framework_bytes", "matmul_flops_16",
      "matmul_flops_32", "matmul_efficiency", "memory_bandwidth_bytes_per_second",
      "memory_efficiency", "launch_seconds", "products", "operators",
    ])
    var device = Cluster.Device(
      name: try node.field("name").label(),
      memory: Bytes(try node.field("memory_bytes").positiveInteger(upTo: memoryLimit)),
      reserved: Bytes(try node.field("reserved_bytes").nonNegativeInteger(upTo: memoryLimit)),
      framework: Bytes(try node.field("framework_bytes").nonNegativeInteger(upTo: memoryLimit)),
      matmulFlops16: try node.field("matmul_flops_16").number(in: rates),
      matmulFlops32: try node.field("matmul_flops_32").number(in: rates),
      matmulEfficiency: try node.field("matmul_efficiency").number(in: fractions),
      memoryBandwidth: try node.field("memory_bandwidth_bytes_per_second").number(in: rates),
      memoryEfficiency: try node.field("memory_efficiency").number(in: fractions),
      launchSeconds: try node.field("launch_seconds").number(in: 0...1))
    if let node = try node.optional("products") {
      device.products = try products(
        node, flops: device.matmulFlops16, memoryBandwidth: device.memoryBandwidth)
    }
    if let node = try node.optional("operators") { device.operators = try operators(node) }
    return device
  }

  private static func levels(_ node: JSONNode) throws(FormatError) -> [Cluster.Level] {
    var levels: [Cluster.Level] = []
    for element in try node.array() {
      try element.refuseFields(besides: [
        "name", "devices", "bandwidth_bytes_per_second", "latency_seconds",
      ])
      let name = try element.field("name")
      if levels.contains(where: { name.value == .string($0.name) }) {
        throw name.malformed(expected: "a name that no other level has", remedy: "rename it")
      }
      levels.append(
        Cluster.Level(
          name: try name.label(),
          devices: try element.optional("devices")?.positiveInteger(upTo: 1 << 20),
          bandwidth: try element.field("bandwidth_bytes_per_second").number(in: rates),
          latency: try element.field("latency_seconds").number(in: 0...1)))
    }
    return levels
  }

  private static func sources(_ node: JSONNode?) throws(FormatError) -> [String: String] {
    guard let node else { return [:] }
    var sources: [String: String] = [:]
    for (figure, text) in try node.members() { sources[figure] = try text.string() }
    return sources
  }

  private static let memoryLimit = 1 << 50
  /// FLOP or bytes a second.
  private static let rates = 1.0...1e20
  private static let fractions = 0.001...1.0
}

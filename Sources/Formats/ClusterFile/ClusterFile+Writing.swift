package import PlanIR

extension ClusterFile {
  /// The whole of `cluster`, to be written; ``cluster(of:)`` gives the same cluster back.
  package static func value(of cluster: Cluster) -> JSONValue {
    var members: [JSONMember] = [
      JSONMember(key: "schema", value: .string(schema)),
      JSONMember(key: "name", value: .string(cluster.name)),
      JSONMember(key: "device", value: value(of: cluster.device)),
      JSONMember(key: "devices_per_node", value: .integer(cluster.devicesPerNode)),
      JSONMember(key: "levels", value: .array(cluster.levels.map { value(of: $0) })),
    ]
    if let cores = cluster.sharedCores {
      members.append(JSONMember(key: "shared_cores", value: .integer(cores)))
    }
    if !cluster.sources.isEmpty {
      let sources = cluster.sources.sorted { $0.key < $1.key }.map {
        JSONMember(key: $0.key, value: .string($0.value))
      }
      members.append(JSONMember(key: "sources", value: .object(sources)))
    }
    return .object(members)
  }

  private static func value(of device: Cluster.Device) -> JSONValue {
    let value: JSONValue = [
      "name": .string(device.name), "memory_bytes": .integer(device.memory.count),
      "reserved_bytes": .integer(device.reserved.count),
      "framework_bytes": .integer(device.framework.count),
      "matmul_flops_16": .number(device.matmulFlops16),
      "matmul_flops_32": .number(device.matmulFlops32),
      "matmul_efficiency": .number(device.matmulEfficiency),
      "memory_bandwidth_bytes_per_second": .number(device.memoryBandwidth),
      "memory_efficiency": .number(device.memoryEfficiency),
      "launch_seconds": .number(device.launchSeconds),
    ]
    guard case .object(var members) = value else { return value }
    if let products = device.products {
      members.append(JSONMember(key: "products", value: self.value(of: products)))
    }
    if device.operators != OperatorRates() {
      members.append(JSONMember(key: "operators", value: self.value(of: device.operators)))
    }
    return .object(members)
  }

  private static func value(of level: Cluster.Level) -> JSONValue {
    [
      "name": .string(level.name), "devices": level.devices.map { .integer($0) } ?? .null,
      "bandwidth_bytes_per_second": .number(level.bandwidth),
      "latency_seconds": .number(level.latency),
    ]
  }
}

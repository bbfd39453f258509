/// Devices of one kind and the networks that join them.
package struct Cluster: Hashable, Sendable {
  package var name: String
  package var device: Device
  /// Devices of a node.
  package var devicesPerNode: Int
  /// Networks from the innermost outwards; the last reaches every device.
  package var levels: [Level]
  /// Cores that all devices share, of a cluster whose devices are threads of one machine.
  package var sharedCores: Int?
  /// Where each figure comes from, by the figure's name.
  package var sources: [String: String]

  package init(
    name: String, device: Device, devicesPerNode: Int, levels: [Level], sharedCores: Int? = nil,
    sources: [String: String] = [:]
  ) {
    self.name = name
    self.device = device
    self.devicesPerNode = devicesPerNode
    self.levels = levels
    self.sharedCores = sharedCores
    self.sources = sources
  }

  /// One accelerator.
  package struct Device: Hashable, Sendable {
    package var name: String
    /// Memory of one device.
    package var memory: Bytes
    /// What contexts and fragmentation keep from plans.
    package var reserved: Bytes
    /// What a framework allocates beside the program's buffers: library workspaces.
    package var framework: Bytes
    /// Dense matmul peak with 16-bit operands, FLOP/s.
    package var matmulFlops16: Double
    /// Dense matmul peak with 32-bit operands, FLOP/s.
    package var matmulFlops32: Double
    /// Fraction of the peak that large matmuls reach.
    package var matmulEfficiency: Double
    /// Bytes a second to and from memory.
    package var memoryBandwidth: Double
    /// Fraction of the bandwidth that streaming kernels reach.
    package var memoryEfficiency: Double
    /// Seconds from one kernel to the next.
    package var launchSeconds: Double
    /// How it computes 16-bit products; nil where they run at a fraction of the peak.
    package var products: ProductModel?
    /// How a framework runs on it what is no product.
    package var operators = OperatorRates()

    package init(
      name: String, memory: Bytes, reserved: Bytes, framework: Bytes, matmulFlops16: Double,
      matmulFlops32: Double, matmulEfficiency: Double, memoryBandwidth: Double,
      memoryEfficiency: Double, launchSeconds: Double, products: ProductModel? = nil
    ) {
      self.name = name
      self.memory = memory
      self.reserved = reserved
      self.framework = framework
      self.matmulFlops16 = matmulFlops16
      self.matmulFlops32 = matmulFlops32
      self.matmulEfficiency = matmulEfficiency
      self.memoryBandwidth = memoryBandwidth
      self.memoryEfficiency = memoryEfficiency
      self.launchSeconds = launchSeconds
      self.products = products
    }
  }

  /// A network that joins groups of devices.
  package struct Level: Hashable, Sendable {
    package var name: String
    /// Devices joined; nil for all there are.
    package var devices: Int?
    /// Bytes a second that one device sends while all send.
    package var bandwidth: Double
    /// Seconds of one message.
    package var latency: Double

    package init(name: String, devices: Int?, bandwidth: Double, latency: Double) {
      self.name = name
      self.devices = devices
      self.bandwidth = bandwidth
      self.latency = latency
    }
  }

  /// Whether devices are threads of this machine, with measured times.
  package var isLocal: Bool { sharedCores != nil }

  /// The innermost level that joins all of `devices`, which are numbered so that consecutive ones
  /// are close.
  package func level(joining devices: [Int]) -> Level {
    let joined = levels.first { level in
      guard let size = level.devices, let first = devices.first else { return true }
      return devices.allSatisfy { $0 / size == first / size }
    }
    return joined ?? levels[levels.count - 1]
  }
}

extension Cluster {
  /// The first thing about this cluster that cannot be, or nil.
  package func verify() -> ModelError? {
    func wrong(_ place: String, _ expected: String, _ found: Any, _ remedy: String) -> ModelError {
      ModelError(place: place, expected: expected, found: "\(found)", remedy: remedy)
    }
    if devicesPerNode < 1 {
      return wrong("devices_per_node", "at least 1", devicesPerNode, "give the devices of a node")
    }
    if levels.isEmpty {
      return wrong("levels", "at least one network", "none", "give one without devices")
    }
    if device.reserved >= device.memory {
      return wrong(
        "device.reserved_bytes", "less than memory_bytes, \(device.memory.count)",
        device.reserved.count, "leave plans some memory")
    }
    for (place, (inner, outer)) in zip(levels, levels.dropFirst()).enumerated() {
      guard let size = inner.devices else {
        return wrong(
          "levels[\(place)].devices", "a number, as \(outer.name) lies outside \(inner.name)",
          "null", "put the network that reaches all devices last")
      }
      if let devices = outer.devices, devices % size != 0 || devices <= size {
        return wrong(
          "levels[\(place + 1)].devices", "a larger multiple of the \(size) of \(inner.name)",
          devices, "list networks from the innermost outwards, each of whole ones inside it")
      }
    }
    if let devices = levels.last?.devices {
      return wrong(
        "levels[\(levels.count - 1)].devices", "null, as the last network reaches every device",
        devices, "leave it out, or add a network outside it")
    }
    return nil
  }
}

import ArgumentParser
import Formats
import PlanIR

/// Lists shipped models.
struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "List the shipped models.")

  @Flag(help: "Print one JSON document.")
  var json = false

  func run() throws {
    try answering(json: json) {
      let models = try Inputs.models.names.map { try Inputs.model($0) }
      if json {
        let document = JSONValue.object([
          JSONMember(key: "schema", value: "tpplan.models/1"),
          JSONMember(key: "models", value: .array(models.map { SearchJSON.model($0) })),
        ])
        return try StandardOutput.print(document)
      }
      var table = Table([
        "model", "parameters", "layers", "hidden", "heads", "kv heads", "ffn", "vocabulary",
        "sequence",
      ])
      for model in models {
        let sizes = model.sizes
        table.add(
          [model.name, Units.count(model.parameterCount), "\(model.layers)"]
            + [Dimension.hidden, .heads, .keyValueHeads, .wide, .vocabulary].map {
              "\(sizes[$0])"
            } + ["\(model.maximumSequence)"])
      }
      try StandardOutput.print(table.text)
    }
  }
}

/// Lists shipped clusters.
struct ClustersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clusters", abstract: "List the shipped clusters.")

  @Flag(help: "Print one JSON document.")
  var json = false

  func run() throws {
    try answering(json: json) {
      let clusters = try Inputs.clusters.names.map { try Inputs.cluster($0) }
      if json {
        let document = JSONValue.object([
          JSONMember(key: "schema", value: "tpplan.clusters/1"),
          JSONMember(key: "clusters", value: .array(clusters.map { ClusterFile.value(of: $0) })),
        ])
        return try StandardOutput.print(document)
      }
      var table = Table(
        ["cluster", "device", "memory", "16-bit peak", "a node", "networks"], left: [0, 1, 5])
      for cluster in clusters {
        let networks = cluster.levels.map { level in
          "\(level.name) \(Units.bytes(level.bandwidth))/s"
        }
        table.add([
          cluster.name, cluster.device.name, Units.bytes(cluster.device.memory),
          "\(Int(cluster.device.matmulFlops16 / 1e9)) GFLOP/s", "\(cluster.devicesPerNode)",
          networks.joined(separator: ", "),
        ])
      }
      try StandardOutput.print(table.text)
    }
  }
}

/// Hands plans to frameworks, in a later version.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Hand a plan to a training framework.",
    discussion: "No format is built in this version: every one is an answer of no.")

  @Argument(help: "A plan file.")
  var plan: String

  @Option(help: "The framework's format.")
  var to: String

  @Option(name: .shortAndLong, help: "The folder to write.")
  var output: String

  func run() throws {
    try answering {
      _ = try Inputs.plan(plan)
      throw CommandFailure.no(
        "export to \(to.debugDescription) is not built in this version; no format is")
    }
  }
}

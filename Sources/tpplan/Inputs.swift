import Formats
import Foundation
import Partitioner
import PlanIR

/// Finds what commands name: models, clusters, plans.
enum Inputs {
  static var models: ModelCatalog { ModelCatalog(folders: dataFolders("models")) }

  static var clusters: ClusterCatalog {
    ClusterCatalog(folders: dataFolders("models/clusters"))
  }

  static func model(_ name: String) throws -> Model { try models.model(name) }

  static func cluster(_ name: String) throws -> Cluster {
    let cluster = try clusters.cluster(name)
    if cluster.isLocal && cluster.name != "local" {
      StandardError.print(
        "tpplan: note: \(cluster.name) has shared_cores, and is taken for this machine: its cores, its memory, its "
          + "measured times")
    }
    return cluster
  }

  /// The shipped clusters but this machine and the one called `name`; what cannot be read is left out.
  static func clusters(beside name: String) -> [Cluster] {
    clusters.names.filter { $0 != name }.compactMap { try? cluster($0) }
      .filter { !$0.isLocal }
  }

  /// Where shipped data may be: beside the program, above its build folder, or in the environment's
  /// `TPPLAN_DATA`.
  static func dataFolders(_ name: String) -> [String] {
    var roots: [URL] = []
    if let data = ProcessInfo.processInfo.environment["TPPLAN_DATA"] {
      roots.append(URL(fileURLWithPath: data))
    }
    if let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      var folder = URL(fileURLWithPath: program).deletingLastPathComponent()
      roots.append(folder.deletingLastPathComponent().appendingPathComponent("share/tpplan"))
      for _ in 0..<5 {
        roots.append(folder)
        folder.deleteLastPathComponent()
      }
    }
    roots.append(URL(fileURLWithPath: FileManager.default.currentDirectoryPath))
    return roots.map { $0.appendingPathComponent(name).path }
  }

  /// A plan from its file, lowered again and held against what the file predicts.
  static func plan(
    _ path: String, timings database: String? = nil
  ) throws -> (plan: Plan, training: TrainingGraph) {
    let file = try PlanFile(JSONDocument(contentsOf: path))
    do {
      let training = try trainingGraph(
        file.model, file.workload, devices: file.choices.mesh.deviceCount)
      let predicted = try Partitioner.predict(
        training, choices: file.choices, cluster: file.cluster,
        timings: timings(
          for: file.cluster, devices: file.choices.mesh.deviceCount, database))
      try checkPlacement(file, path)
      try file.check(predicted)
      let plan = Plan(
        model: file.model, cluster: file.cluster, workload: file.workload, choices: file.choices,
        predicted: predicted)
      return (plan, training)
    } catch let violation as ConstraintViolation {
      if violation.isUnbuilt { throw violation }
      throw CommandFailure.badData("\(path): $.choices: \(violation)")
    }
  }

  /// Measured times of this machine, for a cluster that is this machine, as runs on `devices` threads meet it,
  /// from the file `database` or the default one.
  static func timings(
    for cluster: Cluster, devices: Int, _ database: String? = nil
  ) throws -> TimingTable {
    guard cluster.isLocal else { return TimingTable() }
    return try LocalTimings(path: database).stored(devices: devices).table
  }

  /// A cluster as `devices` devices meet it: threads share this machine's cores and memory.
  static func adapted(_ cluster: Cluster, devices: Int) -> Cluster {
    guard cluster.isLocal else { return cluster }
    var local = cluster
    local.sharedCores = ProcessInfo.processInfo.activeProcessorCount
    let share = Int(ProcessInfo.processInfo.physicalMemory) / max(devices, 1)
    local.device.memory = Bytes(max(share, local.device.reserved.count + 1))
    local.sources["memory_bytes"] = "this machine's memory over \(devices) devices"
    local.sources["shared_cores"] = "this machine's cores"
    return local
  }

  private static func checkPlacement(_ file: PlanFile, _ path: String) throws {
    let possible = Placement.all(file.choices.mesh, perNode: file.cluster.devicesPerNode)
    guard !possible.contains(file.choices.placement), let first = possible.first else { return }
    func text(_ placement: [AxisPlacement]) -> String {
      placement.map { "\($0.axis) \($0.insideNode) x \($0.acrossNodes)" }.joined(separator: ", ")
    }
    throw CommandFailure.badData(
      "\(path): at $.choices.placement: expected inside x across that fill nodes of "
        + "\(file.cluster.devicesPerNode), such as \(text(first)), found "
        + "\(text(file.choices.placement)); search again")
  }

  /// The differentiated graph of `model`.
  ///
  /// - Throws: ``ConstraintViolation`` where the step cannot be planned.
  static func trainingGraph(
    _ model: Model, _ workload: Workload, devices: Int
  ) throws -> TrainingGraph {
    if workload.sequence > model.maximumSequence {
      throw ConstraintViolation(
        constraint: "sequence <= \(model.maximumSequence), the longest that \(model.name) takes",
        found: "\(workload.sequence)", needed: "at most \(model.maximumSequence)",
        remedy: "--sequence \(model.maximumSequence)")
    }
    try StepLimits.check(model, workload, devices: devices)
    return try TrainingGraph(model: model, workload: workload)
  }
}

import Partitioner
import PlanIR

/// What a sweep was asked, as its answer's head says it.
struct SweepHead {
  var model: Model
  /// As named; what each count meets is in ``head(devices:)``.
  var cluster: Cluster
  var workload: Workload
  /// Ascending.
  var counts: [Int]
  var memory: MemoryLimit

  /// What the search on `devices` devices is asked.
  func head(devices: Int) -> SearchHead {
    SearchHead(
      model: model, cluster: Inputs.adapted(cluster, devices: devices), workload: workload,
      devices: devices, memory: memory)
  }
}

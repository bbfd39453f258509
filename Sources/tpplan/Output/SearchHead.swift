import Partitioner
import PlanIR

/// What a search was asked, as its answer's head says it.
struct SearchHead {
  var model: Model
  var cluster: Cluster
  var workload: Workload
  var devices: Int
  var memory: MemoryLimit

  /// The limit in bytes; nil for none.
  var limit: Bytes? { memory.bytes(on: cluster) }
}

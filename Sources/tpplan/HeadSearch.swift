import Partitioner
import PlanIR

/// A search for what a head says: what cannot be planned is refused, and products that a plan on this
/// machine needs are measured.
struct HeadSearch {
  let head: SearchHead
  var pins = Pins()
  var objective = Objective.time
  var isExhaustive = false
  /// How many plans are kept.
  var keep = 10
  var keepsFront = false
  var comparesLayouts = false
  var certifies = false
  /// The database of measured times; nil for the default one.
  var timings: String?

  func answer() throws -> SearchAnswer {
    let training: TrainingGraph
    do {
      training = try Inputs.trainingGraph(head.model, head.workload, devices: head.devices)
    } catch let violation as ConstraintViolation {
      return SearchAnswer(refusing: violation)
    }
    var request = SearchRequest(
      training: training, cluster: head.cluster, devices: head.devices, memory: head.memory,
      pins: pins, objective: objective, exhaustive: isExhaustive, keep: keep,
      keepsFront: keepsFront)
    request.comparesLayouts = comparesLayouts
    request.certifies = certifies
    request.otherClusters = { [name = head.cluster.name] in Inputs.clusters(beside: name) }
    request.progress = SearchProgress.reporter
    let answer =
      head.cluster.isLocal
      ? try LocalSearch(path: timings).run(&request) : Search.run(request)
    if let wrong = answer.mispriced.first {
      StandardError.print("tpplan: warning: a bug: priced apart and whole do not agree: \(wrong)")
    }
    return answer
  }
}

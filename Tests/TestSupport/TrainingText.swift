package import Executor
package import PlanIR

/// A text to train on, as bytes.
package enum TrainingText {
  /// What the tests read; written for them.
  package static let text = """
    A plan is a promise about time. It says which machine holds which part of a tensor, what is sent
    to whom, and when the last of them may rest. Whoever reads a plan must be able to trust each
    number in it, for a month of a cluster is not given back. So the plan is run before it is
    believed: on threads, with small numbers, where every byte that moves is counted by one who does
    not know what was foretold. If the loss is the loss of the whole model, and the bytes are the
    bytes, and no device held more than it was said to hold, then the plan may go to the cluster.
    If not, somebody learns it now, on a desk, in a second, and not there, in a queue, in the night.
    Rows and columns meet in a product; a product of parts is a part of the product. Sums wait until
    they are whole. What is copied must stay equal, what is split must come together again, and what
    was thrown away to save room is computed once more before it is needed. A stage hands its stream
    to the next and takes back a gradient; while it waits it may finish what nobody waits for.
    """

  /// A batch of `workload`'s sequences, one after the other in the text, each byte a token and its label
  /// the byte after it.
  package static func batch(_ workload: Workload) -> HostBatch {
    let bytes = Array(text.utf8)
    func token(_ place: Int) -> Int64 { Int64(bytes[place % bytes.count]) }
    return HostBatch(
      tokens: (0..<workload.tokens).map(token), labels: (1...workload.tokens).map(token))
  }
}

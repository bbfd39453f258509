import ArgumentParser
import Partitioner
import PlanIR

extension PinOptions {
  /// These as a command line has them, in the order of their names.
  var words: [String] {
    var words: [String] = []
    func add(_ name: String, _ value: (any CustomStringConvertible)?) {
      if let value { words += ["--" + name, "\(value)"] }
    }
    add("context", context)
    add("context-attention", contextAttention?.rawValue)
    add("data", data)
    add("gathers-inputs", gathersInputs?.rawValue)
    add("gathers-weights", gathersWeights?.rawValue)
    add("interleave", interleave)
    add("layout", layout?.rawValue)
    add("matmul", matmul?.rawValue)
    add("mesh", mesh?.degrees.map(String.init).joined(separator: "x"))
    add("micro-batch", microBatch)
    add("pipeline", pipeline)
    add("recompute", recompute?.rawValue)
    add("schedule", schedule?.rawValue)
    if let sequenceParallel {
      words.append(sequenceParallel ? "--sequence-parallel" : "--no-sequence-parallel")
    }
    add("tensor", tensor)
    add("zero", zero)
    return words
  }
}

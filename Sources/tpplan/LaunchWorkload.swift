import Formats
import Partitioner
import PlanIR

/// What a launch's step is: as the launch says, and where it is silent the command, the model, the
/// defaults.
struct LaunchWorkload {
  let devices: Int
  /// What the command says.
  let given: WorkloadOverrides
  /// Where the launch stands, for messages: a file, or the command.
  let source: String

  /// The workload; what was derived goes to the reading's notes.
  mutating func resolve(_ reading: inout LaunchReading, _ model: Model) throws -> Workload {
    var merged = WorkloadOverrides()
    let own = reading.configuration.workload
    merged.globalBatch = try one("--global-batch", own.globalBatch, given.globalBatch)
    merged.sequence = try one("--sequence", own.sequence, given.sequence)
    merged.precision = try one("--precision", own.precision, given.precision)
    merged.optimizer = try one("--optimizer", own.optimizer, given.optimizer)
    merged.attention = try one("--attention", own.attention, given.attention)
    merged.dropout = try one("--dropout", own.dropout, given.dropout)
    merged.padVocabulary = try one("--pad-vocabulary", own.padVocabulary, given.padVocabulary)
    try resolveBatches(&reading, &merged)
    if reading.configuration.microBatch == nil {
      let flag = LaunchWords(reading.configuration.framework).microBatch
      throw CommandFailure(
        code: 64,
        message: "\(source): expected \(flag), found none; say how many sequences a data rank "
          + "takes at a time")
    }
    return merged.resolved(for: model)
  }

  /// The one of two that is given; both only where they agree.
  private func one<Value: Equatable>(
    _ name: String, _ own: Value?, _ given: Value?
  ) throws -> Value? {
    if let own, let given, own != given {
      throw CommandFailure(
        code: 64,
        message: "\(name): expected \(own), as the launch says, found \(given); drop the flag")
    }
    return own ?? given
  }

  /// Global batch = micro-batch x micro-batches x data: two of them give the third, DeepSpeed's
  /// micro-batches are 1 where it says neither.
  private func resolveBatches(
    _ reading: inout LaunchReading, _ merged: inout WorkloadOverrides
  ) throws {
    let configuration = reading.configuration
    guard let data = data(configuration) else { return }
    let framework = configuration.framework
    let steps = configuration.microBatches
    let words = LaunchWords(framework)
    if let size = configuration.microBatch {
      let counts = [size, data, steps ?? 1]
      let product = ModelLimits.product(counts, upTo: ModelLimits.globalBatch)
      if let global = merged.globalBatch {
        guard steps == nil || product == global else {
          throw CommandFailure(
            code: framework == .megatron || given.globalBatch != nil ? 64 : 65,
            message: "\(source): expected a global batch of \(size) x \(data) x \(steps ?? 1) = "
              + "\(product ?? .max) sequences (micro-batch, data, accumulation), found \(global); "
              + "correct one of them")
        }
      } else if let product {
        merged.globalBatch = product
        reading.notes.append(
          "no global batch given: \(size) x data \(data) x \(steps ?? 1) = \(product)")
      }
    } else if let global = merged.globalBatch, steps != nil || framework == .deepspeed {
      let (unit, overflow) = data.multipliedReportingOverflow(by: steps ?? 1)
      guard !overflow, global % unit == 0 else {
        let nearest = overflow ? [] : [global / unit * unit, (global / unit + 1) * unit]
        let fitting = nearest.filter { $0 > 0 }.map(String.init).joined(separator: " or ")
        let isGiven = given.globalBatch != nil
        throw CommandFailure(
          code: isGiven ? 64 : 65,
          message:
            "\(isGiven ? "--global-batch" : "\(source): \(words.globalBatch)"): expected a multiple of "
            + "\(data) x \(steps ?? 1) (data, accumulation), found \(global); "
            + (overflow ? "correct one of them" : "try \(fitting)"))
      }
      reading.configuration.microBatch = global / unit
      reading.notes.append("no micro-batch given: \(global) over data \(data) x \(steps ?? 1)")
    }
  }

  /// The data degree; nil where the devices do not divide.
  private func data(_ configuration: LaunchConfiguration) -> Int? {
    let degrees = [configuration.tensor, configuration.pipeline, configuration.context]
    guard let model = ModelLimits.product(degrees, upTo: devices), devices % model == 0 else {
      return nil
    }
    return devices / model
  }
}

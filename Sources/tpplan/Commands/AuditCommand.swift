import ArgumentParser
import Formats
import Partitioner
import PlanIR

/// Prices what a training framework is launched with.
struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Price a launch of Megatron-LM, DeepSpeed or FSDP, and say what to change.",
    discussion: """
      Give exactly one launch: --megatron with its flags as one argument, in quotation marks, or a \
      file of the others. Says whether it fits, how far it is from the best plan known, and which \
      single change gains most.

      Exit codes: 0 it fits; 1 it runs out of memory, or cannot be; 64 wrong usage, flags that \
      contradict each other or MODEL; 65 bad data in a file; 66 a named file is missing.
      """)

  @Argument(help: "The model: a file, a folder, or a shipped name.")
  var model: String

  @Option(help: "How many devices the launch uses, all of them.")
  var devices: Int

  @Option(help: "A shipped cluster's name, or a cluster file.")
  var cluster = "h100-sxm"

  @Option(help: "Bytes a device may hold: 80GiB, 80GB, a number, unlimited (the device's own).")
  var memory: MemoryArgument?

  @OptionGroup(title: "Launch") var launch: LaunchOptions
  @OptionGroup(title: "Workload, where the launch does not say it") var workload: WorkloadOptions

  @Option(help: "Look for the optimum among plans of this layout only.")
  var layout: LayoutName?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard (1...(1 << 24)).contains(devices) else {
      throw ValidationError("--devices: expected 1 to \(1 << 24), found \(devices)")
    }
  }

  func run() throws {
    try answering(json: json) {
      let model = try Inputs.model(model)
      var reading = try launch.read(model, devices: devices)
      try checkDevices(reading)
      let workload = try resolve(&reading, model)
      let cluster = Inputs.adapted(try Inputs.cluster(cluster), devices: devices)
      let head = SearchHead(
        model: model, cluster: cluster, workload: workload, devices: devices,
        memory: memory?.limit ?? .device)
      let answer = try audit(head, reading)
      if json {
        try StandardOutput.print(AuditJSON.document(head, reading, answer))
      } else {
        try StandardOutput.print(AuditText.text(head, reading, answer))
      }
      if !answer.fits { throw ExitCode(1) }
    }
  }

  private func audit(_ head: SearchHead, _ reading: LaunchReading) throws -> AuditAnswer {
    let training: TrainingGraph
    do {
      training = try Inputs.trainingGraph(head.model, head.workload, devices: devices)
    } catch let violation as ConstraintViolation {
      return AuditAnswer(refusing: violation)
    }
    var pins = Pins()
    pins.layout = layout
    return Audit.run(
      AuditRequest(
        training: training, cluster: head.cluster, devices: devices, memory: head.memory,
        configuration: reading.configuration, pins: pins,
        timings: try Inputs.timings(for: head.cluster)))
  }

  private func checkDevices(_ reading: LaunchReading) throws {
    guard let counted = reading.devices, counted != devices else { return }
    throw CommandFailure(
      code: 64,
      message: "--devices: expected \(counted), as the launch counts them, found \(devices); "
        + "give the devices that the launch uses")
  }

  /// The launch's workload, and where it is silent the command's, the model's, the defaults.
  private func resolve(_ reading: inout LaunchReading, _ model: Model) throws -> Workload {
    let given = workload.overrides
    var merged = WorkloadOverrides()
    let own = reading.configuration.workload
    merged.globalBatch = try one("--global-batch", own.globalBatch, given.globalBatch)
    merged.sequence = try one("--sequence", own.sequence, given.sequence)
    merged.precision = try one("--precision", own.precision, given.precision)
    merged.optimizer = try one("--optimizer", own.optimizer, given.optimizer)
    merged.attention = try one("--attention", own.attention, given.attention)
    merged.dropout = try one("--dropout", own.dropout, given.dropout)
    merged.padVocabulary = try one("--pad-vocabulary", own.padVocabulary, given.padVocabulary)
    let configuration = reading.configuration
    if merged.globalBatch == nil, let size = configuration.microBatch {
      let model = [configuration.tensor, configuration.pipeline, configuration.context]
        .reduce(1.0) { $0 * Double($1) }
      let data = max(1, Int(Double(devices) / model))
      let counts = [size, data, configuration.microBatches ?? 1]
      let batch = ModelLimits.product(counts, upTo: ModelLimits.globalBatch)
      merged.globalBatch = batch
      if let batch {
        reading.notes.append("no global batch given: \(batch), \(counts[2]) micro-batches")
      }
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
}

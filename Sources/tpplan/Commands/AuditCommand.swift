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

  @OptionGroup var target: ClusterOptions

  @Option(help: "How many devices the launch uses, all of them.")
  var devices: Int

  @OptionGroup(title: "Launch") var launch: LaunchOptions
  @OptionGroup(title: "Workload, where the launch does not say it") var workload: WorkloadOptions

  @Option(help: "Look for the optimum among plans of this layout only.")
  var layout: LayoutName?

  @Option(help: "The database of measured times, for --cluster local.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard (1...PlanLimits.devices).contains(devices) else {
      throw ValidationError("--devices: expected 1 to \(PlanLimits.devices), found \(devices)")
    }
  }

  func run() throws {
    try answering(json: json) {
      let model = try Inputs.model(target.model)
      var reading = try launch.read(model, devices: devices)
      try checkDevices(reading)
      var batches = LaunchWorkload(
        devices: devices, given: workload.overrides, source: launch.source)
      let workload = try batches.resolve(&reading, model)
      let cluster = Inputs.adapted(try Inputs.cluster(target.cluster), devices: devices)
      let fills = Placement.fills(devices, perNode: cluster.devicesPerNode)
      if let perNode = reading.devicesPerNode, !fills.contains(perNode), !cluster.isLocal {
        reading.notes.append(
          "the launch starts \(perNode) processes a node, \(cluster.name) has \(cluster.devicesPerNode) devices in one: "
            + "priced as the cluster has them; --cluster takes a file that says otherwise")
      }
      noteOverlap(&reading)
      let head = SearchHead(
        model: model, cluster: cluster, workload: workload, devices: devices,
        memory: target.limit)
      let answer = try audit(head, reading)
      if json {
        try StandardOutput.print(AuditJSON.document(head, reading, answer))
      } else {
        try StandardOutput.print(AuditText.text(head, reading, answer))
      }
      if !answer.fits { throw ExitCode(1) }
    }
  }

  /// Whoever overlaps much must know what of it is priced.
  private func noteOverlap(_ reading: inout LaunchReading) {
    let overlaps = reading.unpriced.contains { $0.contains("overlap") || $0.contains("prefetch") }
    guard overlaps else { return }
    reading.notes.append(
      "of overlap, only that of gradients, and of what ZeRO 2 and 3 gather and scatter, with kernels is "
        + "priced: all else counts as exposed")
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
        timings: try Inputs.timings(for: head.cluster, devices: head.devices, timings),
        launchedPerNode: reading.devicesPerNode))
  }

  private func checkDevices(_ reading: LaunchReading) throws {
    guard let counted = reading.devices, counted != devices else { return }
    throw CommandFailure(
      code: 64,
      message: "--devices: expected \(counted), as the launch counts them, found \(devices); "
        + "give the devices that the launch uses")
  }
}

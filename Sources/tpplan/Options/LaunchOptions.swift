import ArgumentParser
import Formats
import PlanIR

/// The launch that is audited, one of three, and what its file leaves to the training script.
struct LaunchOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Flags of Megatron-LM, or the whole command, as one argument in quotation marks.")
  var megatron: String?

  @Option(help: "A DeepSpeed configuration (JSON).")
  var deepspeed: String?

  @Option(help: "A configuration of Hugging Face accelerate with FSDP (YAML or JSON).")
  var fsdp: String?

  @Option(help: "What is computed again, where a file does not say: none, selective, full.")
  var recompute: Recomputation?

  @Option(help: "Sequences of one data rank at a time, where the file does not say.")
  var microBatch: Int?

  func validate() throws {
    let given = [megatron, deepspeed, fsdp].compactMap(\.self).count
    guard given == 1 else {
      throw ValidationError(
        "expected exactly one of --megatron, --deepspeed, --fsdp, found \(given)")
    }
    if recompute == .mixed {
      throw ValidationError("--recompute: expected none, selective or full, found mixed")
    }
    if recompute != nil && megatron != nil {
      throw ValidationError("--recompute contradicts --megatron, whose flags say it")
    }
    if let microBatch, !(1...PlanLimits.sequences).contains(microBatch) {
      throw ValidationError(
        "--micro-batch: expected 1 to \(PlanLimits.sequences), found \(microBatch)")
    }
  }

  /// Where the launch stands, for messages.
  var source: String { deepspeed ?? fsdp ?? "the launch" }

  /// What the launch says.
  func read(_ model: Model, devices: Int) throws -> LaunchReading {
    var reading = try reading(model, devices: devices)
    if let own = reading.configuration.microBatch, let microBatch, own != microBatch {
      throw CommandFailure(
        code: 64,
        message: "--micro-batch: expected \(own), as the launch says, found \(microBatch); "
          + "drop the flag")
    }
    reading.configuration.microBatch = reading.configuration.microBatch ?? microBatch
    switch recompute {
    case .full: reading.configuration.recompute = .full
    case .selective: reading.configuration.recompute = .selective
    case .some(.none): reading.configuration.recompute = .none
    case .mixed, nil: break
    }
    return reading
  }

  private func reading(_ model: Model, devices: Int) throws -> LaunchReading {
    if let deepspeed { return try DeepSpeedLaunch.read(contentsOf: deepspeed, devices: devices) }
    if let fsdp { return try FSDPLaunch.read(contentsOf: fsdp) }
    guard let megatron else { throw ValidationError("expected a launch") }
    do {
      return try MegatronLaunch.read(megatron, model: model)
    } catch {
      throw CommandFailure(code: 64, message: "--megatron: \(error)")
    }
  }
}

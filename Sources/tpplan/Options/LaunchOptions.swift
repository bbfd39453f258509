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

  @Option(help: "Sequences of one data rank at a time, where the file does not say.")
  var microBatch: Int?

  func validate() throws {
    let given = [megatron, deepspeed, fsdp].compactMap(\.self).count
    guard given == 1 else {
      throw ValidationError(
        "expected exactly one of --megatron, --deepspeed, --fsdp, found \(given)")
    }
    if let microBatch, !(1...(1 << 24)).contains(microBatch) {
      throw ValidationError("--micro-batch: expected 1 to \(1 << 24), found \(microBatch)")
    }
  }

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
    return reading
  }

  private func reading(_ model: Model, devices: Int) throws -> LaunchReading {
    guard let megatron else { throw CommandFailure.no("not built in this version") }
    do {
      return try MegatronLaunch.read(megatron, model: model)
    } catch {
      throw CommandFailure(code: 64, message: "--megatron: \(error)")
    }
  }
}

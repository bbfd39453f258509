import ArgumentParser
import Partitioner

/// What is planned for.
struct ClusterOptions: ParsableArguments {
  @Argument(help: "The model: a file, a folder, or a shipped name.")
  var model: String

  @Option(help: "A shipped cluster's name, or a cluster file.")
  var cluster = "h100-sxm"

  @Option(help: "Bytes a device may hold: 80GiB, 80GB, a number, unlimited (the device's own).")
  var memory: MemoryArgument?

  /// What of a device's memory plans may take.
  var limit: MemoryLimit { memory?.limit ?? .device }
}

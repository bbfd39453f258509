import Executor
import Foundation
import PlanIR

/// Refuses runs that are larger than this machine's memory before anything is allocated.
enum MemoryGuard {
  static func check(
    _ program: Program, _ model: Model, dtype: DType, validates: Bool
  ) throws {
    let devices = program.mesh.deviceCount
    guard devices <= 4096 else {
      throw CommandFailure.no(
        "\(devices) devices: expected at most 4096 threads on one machine; try --shrink")
    }
    let mesh = Double(MemoryDemand.peakBytes(of: program, dtype: dtype)) * Double(devices)
    let needed = mesh + (validates ? referenceBytes(program, model) : 0)
    let available = availableBytes()
    guard needed > available else { return }
    throw CommandFailure.no(
      "the run needs about \(Units.bytes(needed)), this machine has "
        + "\(Units.bytes(available)) free; try --shrink")
  }

  /// The reference in float64: parameters with gradients, moments and copies for comparison; what a
  /// forward pass keeps of each layer; the logits.
  private static func referenceBytes(_ program: Program, _ model: Model) -> Double {
    let sizes = model.sizes
    let heads = Double(sizes[.heads] * sizes[.headWidth])
    let layer = 16 * Double(sizes[.hidden]) + 6 * heads + 6 * Double(sizes[.wide])
    let tokens = Double(program.globalBatch * program.sequence)
    let activations = tokens * (layer * Double(model.layers) + 4 * Double(sizes[.vocabulary]))
    return 8 * (6 * Double(model.parameterCount) + activations)
  }

  /// Bytes that the kernel says can be had without swapping.
  static func availableBytes() -> Double {
    guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
      let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
    else { return Double(ProcessInfo.processInfo.physicalMemory) }
    return kibibytes * 1024
  }
}

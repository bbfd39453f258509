import Kernels
import PlanIR

/// What the mesh takes to run one kernel beside what the kernel computes: finding its buffers, making and giving
/// back memory, handing on what calls keep.
///
/// A program of calls that copy from buffer to buffer is run on several threads, as what they share counts
/// references; each forward call keeps what a backward one takes. What is copied is as large as to leave nothing else in a
/// core's nearer caches, where the mesh's own tables are not found in a step either: how large was chosen with what steps
/// take in view, see docs/accuracy.md.
package struct InterpretationProbe: Hashable, Sendable {
  /// Threads that run it.
  package let devices: Int
  /// How many kernels a time is of: enough for a step to make a sample.
  package static let unit = 1000
  /// The kernel's name in keys.
  package static let name = "interpretation"

  /// A run on `devices` threads.
  package init(devices: Int) { self.devices = max(1, devices) }

  /// Runs a step to warm up, then `repetitions` steps.
  ///
  /// - Parameter repetitions: How many steps are timed.
  /// - Returns: CPU seconds of ``unit`` kernels.
  /// - Throws: ``RunError`` where memory is short.
  package func seconds(repetitions: Int) throws(RunError) -> Double {
    var settings = RunSettings(steps: repetitions + 1, gathers: false)
    settings.recordsParts = true
    let run = try MeshRun.run(
      program, weights: NoWeights(), batch: HostBatch(tokens: [], labels: []), settings: settings)
    let between = run.parts[.between]?.seconds ?? 0
    return between / Double(devices * Self.layers * 2 * Self.kernels) * Double(Self.unit)
  }

  private static let layers = 2
  /// Of a call: a layer's passes have some ten each, an update two.
  private static let kernels = 6
  /// Of a buffer: two are more than the second cache of a core.
  private static let elements = 512 << 10

  private var program: Program {
    let mesh = Mesh([MeshAxis("data", devices)])
    let positions = (0..<Self.layers).map { BlockPosition(segment: 0, layer: $0, block: 0) }
    let calls =
      positions.map { Call(body: 0, phase: .forward, position: $0, microBatch: 0) }
      + positions.reversed().map {
        Call(body: 1, phase: .inputGradient, position: $0, microBatch: 0)
      }
    return Program(
      mesh: mesh, precision: .fp32, optimizer: .sgd, dropout: 0, globalBatch: 1, sequence: 1,
      microBatch: 1, microBatches: 1, vocabulary: 1, parameters: [],
      bodies: [body(.forward), body(.inputGradient)],
      stages: [Stage(layers: [0..<Self.layers], calls: calls)], chain: positions)
  }

  /// Copies from buffer to buffer: the first phase begins with zeros and keeps the last, the other takes it.
  private func body(_ phase: Phase) -> Body {
    let type = TensorType(
      dimensions: [.hidden], sizes: [Self.elements], sharding: Sharding(dimensions: [[]]),
      width: .activation)
    let isFirst = phase == .forward
    var instructions: [Instruction] =
      isFirst ? [.allocate(0), .kernel(KernelCall(.zero, reads: [], writes: [0]))] : []
    for next in 1...(isFirst ? Self.kernels - 1 : Self.kernels) {
      instructions += [
        .allocate(next), .kernel(KernelCall(.copy, reads: [next - 1], writes: [next])),
        .free(next - 1),
      ]
    }
    let last = isFirst ? Self.kernels - 1 : Self.kernels
    if !isFirst { instructions.append(.free(last)) }
    return Body(
      name: "probe.\(phase.rawValue)", blockClass: .mlp, phase: phase,
      buffers: (0...last).map { Buffer(name: "\($0)", type: type, bufferClass: .transient) },
      takes: isFirst ? [] : [SlotBuffer(.kept("x"), 0)],
      gives: isFirst ? [SlotBuffer(.kept("x"), last)] : [], instructions: instructions)
  }

  /// Of a program without parameters.
  private struct NoWeights: WeightSource {
    func read(_ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>) {}
  }
}

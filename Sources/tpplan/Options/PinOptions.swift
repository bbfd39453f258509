import ArgumentParser
import Partitioner
import PlanIR

/// What the user fixes of the plan; the search decides the rest.
struct PinOptions: ParsableArguments {
  @Option(help: "The layout of every block; mixed: one for each class of blocks.")
  var layout: LayoutArgument?

  @Option(
    help:
      "Degrees of the tensor mesh: ROWSxCOLS (summa), ROWSxCOLSxDEPTH (tesseract), IxJxK (3d), XxY (stationary)."
  )
  var mesh: MeshArgument?

  @Option(help: "Keep gathered inputs for the backward pass, or gather them again.")
  var gathersInputs: GatherChoice?

  @Option(help: "Keep gathered weights for the backward pass, or gather them again.")
  var gathersWeights: GatherChoice?

  @Option(help: "Gather a product's operands whole, or loop over panels.")
  var matmul: MatmulSchedule?

  @Option(help: "Tensor-parallel degree.")
  var tensor: Int?

  @Option(help: "Pipeline stages.")
  var pipeline: Int?

  @Option(help: "Data-parallel degree.")
  var data: Int?

  @Option(help: "Context-parallel degree.")
  var context: Int?

  @Option(
    help:
      "Attention over a context axis: exchange the sequence for heads, or pass keys and values on.")
  var contextAttention: ContextAttention?

  @Option(help: "Sequences that enter one tensor mesh at a time.")
  var microBatch: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .exclusive,
    help: "Split the residual stream along the sequence.")
  var sequenceParallel: Bool?

  @Option(help: "What the backward pass computes again.")
  var recompute: Recomputation?

  @Option(help: "Shard optimizer state (1), gradients (2), weights (3) over data.")
  var zero: Int?

  @Option(help: "The order of micro-batches through pipeline stages.")
  var schedule: ScheduleArgument?

  @Option(help: "Chunks of layers on each pipeline stage.")
  var interleave: Int?

  func validate() throws {
    for (name, value) in [
      ("--tensor", tensor), ("--pipeline", pipeline), ("--data", data), ("--context", context),
      ("--micro-batch", microBatch), ("--interleave", interleave),
    ] {
      if let value, !(1...(1 << 32)).contains(value) {
        throw ValidationError("\(name): expected 1 to \(1 << 32), found \(value)")
      }
    }
    if let zero, !(0...3).contains(zero) {
      throw ValidationError("--zero: expected 0, 1, 2 or 3, found \(zero)")
    }
    try validateMesh()
    if contextAttention == .ring, context ?? 1 == 1 {
      throw ValidationError("--context-attention ring needs --context of 2 or more")
    }
    if schedule != nil && pipeline == 1 {
      throw ValidationError("--schedule contradicts --pipeline 1: there is nothing to schedule")
    }
    if let interleave, interleave > 1, pipeline == 1 {
      throw ValidationError("--interleave \(interleave) contradicts --pipeline 1")
    }
    if interleave == 1, schedule == .interleaved {
      throw ValidationError("--interleave 1 contradicts --schedule interleaved: it has chunks")
    }
    if let interleave, interleave > 1, let schedule, schedule != .interleaved {
      throw ValidationError(
        "--interleave \(interleave) contradicts --schedule \(schedule.rawValue)")
    }
  }

  private func validateMesh() throws {
    if layout == .data, let tensor, tensor > 1 {
      throw ValidationError("--layout data contradicts --tensor \(tensor)")
    }
    if layout == .data, sequenceParallel == true {
      throw ValidationError("--layout data contradicts --sequence-parallel")
    }
    guard let mesh else { return }
    guard let layout else {
      throw ValidationError("--mesh needs --layout summa, tesseract, 3d or stationary")
    }
    guard let rank = layout.meshRank else {
      throw ValidationError("--mesh contradicts --layout \(layout.rawValue): use --tensor")
    }
    guard mesh.degrees.count == rank else {
      throw ValidationError(
        "--mesh: expected \(rank) degrees for layout \(layout.rawValue), "
          + "found \(mesh.degrees.count)")
    }
    if let tensor, tensor != mesh.degrees.reduce(1, *) {
      throw ValidationError("--mesh contradicts --tensor \(tensor)")
    }
  }

  var pins: Pins {
    var pins = Pins()
    pins.layout = layout.flatMap { LayoutName(rawValue: $0.rawValue) }
    pins.opensFactors = layout == .any
    pins.mesh = mesh?.degrees
    pins.tensor = tensor
    pins.pipeline = pipeline
    pins.data = data
    pins.context = context
    pins.contextAttention = contextAttention
    pins.microBatch = microBatch
    pins.sequenceParallel = sequenceParallel
    pins.gathersInputs = gathersInputs
    pins.gathersWeights = gathersWeights
    pins.matmul = matmul
    pins.recompute = recompute
    pins.zero = zero
    pins.schedule = schedule?.schedule
    pins.interleave = interleave
    return pins
  }
}

import Foundation
import Kernels
import PlanIR

/// Interprets the program as one device of the mesh.
final class DeviceRunner {
  let compiled: CompiledProgram
  let device: Int
  let fabric: Fabric
  let progress: Progress
  let gatherer: Gatherer?
  let compiler: KernelCompiler
  private(set) var state: DeviceState
  private(set) var losses: [Double] = []
  private(set) var stepSeconds: [Double] = []
  private(set) var kernelTimes: [KernelIdentity: [Double]] = [:]
  private(set) var parts: PartClock
  private(set) var leaked = 0
  /// When each call of the last step began and ended, in nanoseconds of the system's clock.
  private(set) var calls: [(call: Call, start: UInt64, end: UInt64)] = []
  /// Those that the stage calls.
  private var bodies: [DeviceBody?] = []
  private var collectives = 0

  var program: Program { compiled.program }
  private var stage: Int { program.mesh.stage(of: device) }

  init(
    _ compiled: CompiledProgram, device: Int, fabric: Fabric, progress: Progress,
    gatherer: Gatherer?, batch: HostBatch, settings: RunSettings
  ) throws(RunError) {
    self.compiled = compiled
    self.device = device
    self.fabric = fabric
    self.progress = progress
    self.gatherer = gatherer
    parts = PartClock(compiled.program)
    compiler = KernelCompiler(
      program: compiled.program, device: device, batch: batch, settings: settings)
    state = try DeviceState(compiled, device: device, poisons: settings.poisonsMemory)
  }

  /// Fills the weights, then runs the steps.
  func run(weights: any WeightSource) throws {
    try load(weights)
    try compile()
    let base = state.planned.held
    for step in 0..<compiler.settings.steps {
      let start = DispatchTime.now().uptimeNanoseconds
      calls.removeAll(keepingCapacity: true)
      parts.begin(if: compiler.settings.recordsParts && counts(step))
      ElementwiseKernels.zero(state.loss.view)
      for call in program.stages[stage].calls {
        let begin = compiler.settings.recordsCalls ? DispatchTime.now().uptimeNanoseconds : 0
        try run(call, step: step)
        if compiler.settings.recordsCalls {
          calls.append((call, begin, DispatchTime.now().uptimeNanoseconds))
        }
      }
      parts.end()
      let end = DispatchTime.now().uptimeNanoseconds
      stepSeconds.append(Double(end - start) * 1e-9)
      losses.append(state.loss.view.element(0))
      guard state.isIdle else { throw RunError.malformedProgram("a slot was given, never taken") }
      leaked = state.planned.held - base
    }
    gatherParameters()
  }

  private func load(_ weights: any WeightSource) throws {
    for (index, parameter) in program.parameters.enumerated() {
      for layer in compiled.holdings.layers(of: index, on: stage) {
        let buffer = try state.buffer(.weight, of: parameter.name, layer: layer)
        try WeightLoader(parameter: parameter, layer: layer, device: device, program: program)
          .load(weights, into: buffer.view)
        compiled.precision.settle(buffer.view, ParameterPart.weight.width)
        guard parameter.parts.contains(.masterWeight) else { continue }
        let master = try state.buffer(.masterWeight, of: parameter.name, layer: layer)
        WeightLoader.copy(
          buffer.view, as: parameter.type, into: master.view,
          as: parameter.type(of: .masterWeight), on: device, in: program.mesh)
      }
    }
  }

  private func compile() throws(RunError) {
    let called = Set(program.stages[stage].calls.map(\.body))
    for (index, body) in program.bodies.enumerated() {
      bodies.append(
        called.contains(index) ? try DeviceBody(body, compiler, state, fabric) : nil)
    }
  }

  // MARK: - Calls

  private func run(_ call: Call, step: Int) throws {
    guard let body = bodies[call.body] else { return }
    let chain = compiled.chainIndex[call.position] ?? 0
    var frame = [HostBuffer?](repeating: nil, count: body.count)
    for (buffer, place) in body.stored {
      frame[buffer] =
        try place.map { try state.buffer(at: $0, layer: call.position.layer) }
        ?? state.loss
    }
    for taken in body.takes {
      frame[taken.buffer] = try state.take(
        .init(
          slot: taken.slot, taker: taken.slot.taker(takenAt: chain), microBatch: call.microBatch))
    }
    gatherInputGradient(call, body.body, frame, step)
    let context = CallContext(layer: call.position.layer, microBatch: call.microBatch, step: step)
    for (index, instruction) in body.instructions.enumerated() {
      try run(instruction, index, call, body, &frame, context)
    }
    for given in body.gives {
      guard let buffer = frame[given.buffer] else {
        throw RunError.malformedProgram("\(body.body.name) gives a buffer that it has not")
      }
      give(buffer, given.slot, call, chain)
    }
  }

  /// Hands a buffer to the block that takes it.
  private func give(_ buffer: HostBuffer, _ slot: Slot, _ call: Call, _ chain: Int) {
    state.give(
      buffer,
      .init(slot: slot, taker: slot.taker(givenAt: chain), microBatch: call.microBatch))
  }

  private func run(
    _ instruction: DeviceInstruction, _ index: Int, _ call: Call, _ body: DeviceBody,
    _ frame: inout [HostBuffer?], _ context: CallContext
  ) throws {
    switch instruction {
    case .allocate(let buffer, let form):
      frame[buffer] = try state.allocate(form)
    case .free(let buffer):
      guard let held = frame[buffer] else {
        throw RunError.malformedProgram("\(body.body.name) frees a buffer that it has not")
      }
      state.release(held)
      frame[buffer] = nil
    case .kernel(let kernel):
      parts.enter()
      try run(kernel, body, frame, context)
      parts.leave(call.body, index)
    case .collective(let collective):
      enter(call, index)
      try run(collective, body, frame)
      leave(call, index)
    case .message(let instruction, let message, let buffer, let bytes):
      guard let held = frame[buffer] else {
        throw RunError.malformedProgram(
          "\(body.body.name) sends or receives what is not allocated")
      }
      enter(call, index)
      try run(instruction, message, held, bytes, call)
      leave(call, index)
    case .none:
      break
    }
  }

  /// Notes that the device may wait in instruction `index` of `call`.
  private func enter(_ call: Call, _ index: Int) {
    progress.enter(
      device,
      .init(
        body: call.body, instruction: index, layer: call.position.layer,
        microBatch: call.microBatch))
    parts.enter()
  }

  private func leave(_ call: Call, _ index: Int) {
    parts.leave(call.body, index)
    progress.leave(device)
  }

  private func run(
    _ instruction: Instruction, _ message: Message, _ buffer: HostBuffer, _ bytes: Int,
    _ call: Call
  ) throws {
    let place = compiled.chainIndex[call.position] ?? 0
    let receiver = message.receiver(from: device, in: program.mesh)
    switch instruction {
    case .send:
      let key = Mailbox.Key(
        slot: message.slot, taker: message.slot.taker(givenAt: place), microBatch: call.microBatch)
      try fabric.mailbox(from: device, to: receiver).post(buffer.base, key)
    case .settle:
      let key = Mailbox.Key(
        slot: message.slot, taker: message.slot.taker(givenAt: place), microBatch: call.microBatch)
      try fabric.mailbox(from: device, to: receiver).settle(key)
    default:
      let key = Mailbox.Key(
        slot: message.slot, taker: message.slot.taker(takenAt: place), microBatch: call.microBatch)
      let sender = message.sender(to: device, in: program.mesh)
      try fabric.mailbox(from: sender, to: device).receive(key) { source in
        buffer.base.copyMemory(from: source, byteCount: buffer.executedBytes)
      }
      fabric.count(bytes, "send", over: [message.axis], device: device)
    }
  }

  private func run(
    _ kernel: DeviceKernel, _ body: DeviceBody, _ frame: [HostBuffer?], _ context: CallContext
  ) throws {
    let operands = KernelOperands(
      reads: try kernel.reads.map { try view($0, body, frame) },
      writes: try kernel.writes.map { try view($0, body, frame) })
    if isRecorded(context) {
      let start = ThreadClock.now
      kernel.function(operands, context)
      kernelTimes[kernel.identity, default: []].append(ThreadClock.now - start)
    } else {
      kernel.function(operands, context)
    }
    round(kernel.rounded, frame)
    guard gatherer != nil else { return }
    gatherLogits(kernel.call, body.body, frame, context)
    gatherGradient(kernel.call, body.body, frame, context)
  }

  /// Whether kernel times count: those of the first step, which faults memory in, only where there is no other.
  private func isRecorded(_ context: CallContext) -> Bool {
    compiler.settings.recordsTimings && counts(context.step)
  }

  private func counts(_ step: Int) -> Bool { step > 0 || compiler.settings.steps == 1 }

  private func view(
    _ buffer: BufferID, _ body: DeviceBody, _ frame: [HostBuffer?]
  ) throws(RunError) -> TensorView {
    guard let held = frame[buffer] else {
      throw RunError.malformedProgram(
        "\(body.body.name) uses \(body.body.buffers[buffer].name) while it is not allocated")
    }
    return held.view
  }

  private func run(
    _ collective: DeviceCollective, _ body: DeviceBody, _ frame: [HostBuffer?]
  ) throws {
    guard let source = frame[collective.from], let target = frame[collective.into] else {
      throw RunError.malformedProgram("\(body.body.name) communicates what is not allocated")
    }
    collectives += 1
    if compiler.settings.fault == .skipsCollective(device: device, number: collectives) { return }
    try fabric.run(
      collective.participation, collective.operands(from: source, into: target))
    round(collective.rounded, frame)
  }

  /// Rounds what was just written to `buffers`, which the run rounds.
  private func round(_ buffers: [BufferID], _ frame: [HostBuffer?]) {
    for buffer in buffers {
      if let held = frame[buffer] { RoundingKernels.roundToBFloat16(held.view) }
    }
  }

  // MARK: - Gathering

  private func gatherLogits(
    _ kernel: KernelCall, _ body: Body, _ frame: [HostBuffer?], _ context: CallContext
  ) {
    guard let gatherer, context.step == 0, kernel.kind == .operation(.rowMaximum),
      let logits = frame[kernel.reads[0]]
    else { return }
    let type = body.buffers[kernel.reads[0]].type
    gatherer.addRows(
      "logits", logits.view, type: type,
      sizes: [program.globalBatch, program.sequence, program.vocabulary],
      rows: compiler.batchIndices(type, context), device: device, program: program)
  }

  private func gatherInputGradient(
    _ call: Call, _ body: Body, _ frame: [HostBuffer?], _ step: Int
  ) {
    guard let gatherer, step == 0, call.phase == .inputGradient,
      compiled.chainIndex[call.position] == 0, body.name.hasPrefix("features."),
      let taken = body.takes.first(where: { $0.slot == .gradient }),
      let gradient = frame[taken.buffer]
    else { return }
    let type = body.buffers[taken.buffer].type
    let context = CallContext(layer: 0, microBatch: call.microBatch, step: step)
    gatherer.addRows(
      "grad.input", gradient.view, type: type,
      sizes: [program.globalBatch] + type.sizes.dropFirst(),
      rows: compiler.batchIndices(type, context), device: device, program: program)
  }

  /// Gathers a reduced gradient as the first update read it.
  private func gatherGradient(
    _ kernel: KernelCall, _ body: Body, _ frame: [HostBuffer?], _ context: CallContext
  ) {
    guard let gatherer, context.step == 0, case .update = kernel.kind,
      let gradient = frame[kernel.reads[0]], let index = try? compiled.parameter(kernel.site)
    else { return }
    let parameter = program.parameters[index]
    gatherer.add(
      "grad." + parameter.instanceName(layer: context.layer), gradient.view,
      type: body.buffers[kernel.reads[0]].type, sizes: parameter.unpaddedSizes, device: device,
      program: program)
  }

  private func gatherParameters() {
    guard let gatherer else { return }
    for parameter in program.parameters {
      for layer in 0..<parameter.repetitions {
        guard let buffer = try? state.buffer(.weight, of: parameter.name, layer: layer)
        else { continue }
        gatherer.add(
          "param." + parameter.instanceName(layer: layer), buffer.view, type: parameter.type,
          sizes: parameter.unpaddedSizes, device: device, program: program)
      }
    }
  }
}

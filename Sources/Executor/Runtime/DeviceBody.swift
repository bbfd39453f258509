import Kernels
import PlanIR

/// A body as one device runs it: what is the same at every call is worked out once.
///
/// Each device has its own arrays, as counting references to those that all devices read takes more than
/// what small kernels do.
final class DeviceBody {
  let body: Body
  /// How many buffers it has.
  let count: Int
  /// Its buffers that live throughout, the loss nowhere.
  let stored: [(buffer: BufferID, place: DeviceState.Place?)]
  let takes, gives: [SlotBuffer]
  let instructions: [DeviceInstruction]

  /// `body` on the device that `state` is of.
  init(
    _ body: Body, _ compiler: KernelCompiler, _ state: DeviceState, _ fabric: Fabric
  ) throws(RunError) {
    self.body = body
    count = body.buffers.count
    var stored: [(buffer: BufferID, place: DeviceState.Place?)] = []
    for (index, buffer) in body.buffers.enumerated() {
      switch buffer.stored {
      case .none: break
      case .loss: stored.append((index, nil))
      case .parameter(let part, let name):
        stored.append((index, try state.place(of: part, of: name)))
      }
    }
    self.stored = stored
    takes = body.takes.map { $0 }
    gives = body.gives.map { $0 }
    var instructions: [DeviceInstruction] = []
    for instruction in body.instructions {
      instructions.append(
        try DeviceInstruction(instruction, in: body, compiler, state, fabric))
    }
    self.instructions = instructions
  }
}

/// An instruction as one device runs it.
enum DeviceInstruction {
  case allocate(BufferID, DeviceState.Form)
  case free(BufferID)
  case kernel(DeviceKernel)
  case collective(DeviceCollective)
  case message(Instruction, Message, BufferID, bytes: Int)
  case none

  init(
    _ instruction: Instruction, in body: Body, _ compiler: KernelCompiler, _ state: DeviceState,
    _ fabric: Fabric
  ) throws(RunError) {
    switch instruction {
    case .allocate(let buffer): self = .allocate(buffer, state.form(of: body.buffers[buffer].type))
    case .free(let buffer): self = .free(buffer)
    case .kernel(let call): self = .kernel(try DeviceKernel(call, in: body, compiler, state))
    case .start(_, let collective, let axes, let from, let into):
      self = .collective(
        DeviceCollective(
          try fabric.participation(in: collective, over: axes, of: state.device), from: from,
          into: into, in: body, state))
    case .send(let buffer, let message), .receive(let buffer, let message),
      .settle(let buffer, let message):
      self = .message(
        instruction, message, buffer, bytes: state.form(of: body.buffers[buffer].type).plannedBytes)
    case .await: self = .none
    }
  }
}

/// A kernel as one device runs it.
final class DeviceKernel {
  let call: KernelCall
  let function: CompiledKernel
  let identity: KernelIdentity
  let reads, writes: [BufferID]
  /// What it writes that the run rounds.
  let rounded: [BufferID]

  init(
    _ call: KernelCall, in body: Body, _ compiler: KernelCompiler, _ state: DeviceState
  ) throws(RunError) {
    self.call = call
    function = try compiler.compile(call, in: body)
    identity = call.identity(in: body)
    reads = call.reads.map { $0 }
    writes = call.writes.map { $0 }
    rounded = writes.filter { state.rounds(body.buffers[$0].type) }
  }
}

/// A collective as one device takes part in it.
final class DeviceCollective {
  let participation: Fabric.Participation
  let from, into: BufferID
  private let fromSizes, intoSizes: [Int]
  private let dimensions: [Dimension]
  private let plannedWidth: Int
  /// What it writes that the run rounds.
  let rounded: [BufferID]

  init(
    _ participation: Fabric.Participation, from: BufferID, into: BufferID, in body: Body,
    _ state: DeviceState
  ) {
    self.participation = participation
    (self.from, self.into) = (from, into)
    let type = body.buffers[from].type
    fromSizes = type.localSizes.map { $0 }
    intoSizes = body.buffers[into].type.localSizes.map { $0 }
    dimensions = type.dimensions.map { $0 }
    plannedWidth = state.compiled.program.precision.bytes(of: type.width)
    rounded = state.rounds(body.buffers[into].type) ? [into] : []
  }

  /// Its operands where these lie.
  func operands(from: HostBuffer, into: HostBuffer) -> CollectiveOperands {
    CollectiveOperands(
      from: from, into: into, fromSizes: fromSizes, intoSizes: intoSizes, dimensions: dimensions,
      plannedWidth: plannedWidth)
  }
}

import Kernels
import PlanIR

/// The memory of one device during a run, with its two ledgers.
struct DeviceState {
  let compiled: CompiledProgram
  let device: Int
  let poisons: Bool
  private let arena: Arena
  private(set) var planned = Ledger()
  private(set) var executed = Ledger()
  /// By parameter, repetition and part, in the order of the parameter's parts; empty of repetitions
  /// that other stages hold.
  private var stored: [[[HostBuffer]]] = []
  private(set) var loss: HostBuffer
  private var slots: [SlotKey: HostBuffer] = [:]

  /// A slot of one block and micro-batch.
  struct SlotKey: Hashable {
    let slot: Slot
    /// The place in the chain of the block that takes it.
    let taker: Int
    let microBatch: Int
  }

  /// Allocates everything that lives throughout; weights are for the caller to fill.
  init(_ compiled: CompiledProgram, device: Int, poisons: Bool) throws(RunError) {
    self.compiled = compiled
    self.device = device
    self.poisons = poisons
    let peak = MemoryDemand.peakBytes(of: compiled.program, dtype: compiled.precision.dtype)
    arena = try Arena(capacity: 2 * peak + Self.slack)
    let statistic = compiled.program.precision.bytes(of: .statistic)
    loss = try HostBuffer(
      dtype: compiled.precision.heldType, count: 1, plannedBytes: statistic, arena: arena)
    ElementwiseKernels.zero(loss.view)
    charge(loss)
    let stage = compiled.program.mesh.stage(of: device)
    for (index, parameter) in compiled.program.parameters.enumerated() {
      var repetitions = [[HostBuffer]](repeating: [], count: parameter.repetitions)
      for layer in compiled.holdings.layers(of: index, on: stage) {
        repetitions[layer] = try allocateParts(parameter)
      }
      stored.append(repetitions)
    }
  }

  /// Addresses beside twice the peak, for rounding and for what first-fit leaves unused.
  private static let slack = 64 << 20

  /// What a buffer of a type is on this device.
  struct Form {
    let dtype: DType
    let count, plannedBytes: Int
  }

  /// What a buffer of `type` is on this device.
  func form(of type: TensorType) -> Form {
    let count = type.chunk(on: device, in: compiled.program.mesh).count
    let width = compiled.program.precision.bytes(of: type.width)
    return Form(
      dtype: compiled.precision.heldType(of: type.width), count: count, plannedBytes: count * width)
  }

  /// Whether the run rounds values of `type`.
  func rounds(_ type: TensorType) -> Bool { compiled.precision.rounds(type.width) }

  private func makeBuffer(_ form: Form) throws(RunError) -> HostBuffer {
    try HostBuffer(
      dtype: form.dtype, count: form.count, plannedBytes: form.plannedBytes, arena: arena)
  }

  private mutating func allocateParts(
    _ parameter: StoredParameter
  ) throws(RunError) -> [HostBuffer] {
    var buffers: [HostBuffer] = []
    for part in parameter.parts {
      let buffer = try makeBuffer(form(of: parameter.type(of: part)))
      ElementwiseKernels.zero(buffer.view)
      charge(buffer)
      buffers.append(buffer)
    }
    return buffers
  }

  /// Where a part of a parameter is.
  struct Place {
    let parameter, part: Int
    /// Whether all layers have the same, as those that borrow it.
    let isSingle: Bool
  }

  /// Where a part of the parameter `name` is.
  func place(of part: ParameterPart, of name: String) throws(RunError) -> Place {
    let index = try compiled.parameter(name)
    let parameter = compiled.program.parameters[index]
    guard let place = parameter.parts.firstIndex(of: part) else {
      throw RunError.malformedProgram("\(name) has no such part")
    }
    return Place(parameter: index, part: place, isSingle: parameter.repetitions == 1)
  }

  /// The part of a parameter at `place` in the repetition that `layer` names.
  func buffer(at place: Place, layer: Int) throws(RunError) -> HostBuffer {
    let repetitions = stored[place.parameter]
    let layer = place.isSingle ? 0 : layer
    guard repetitions[layer].indices.contains(place.part) else {
      let name = compiled.program.parameters[place.parameter].name
      throw RunError.malformedProgram("\(name) of layer \(layer) is another stage's")
    }
    return repetitions[layer][place.part]
  }

  /// A part of a parameter in the repetition that `layer` names; a borrowed parameter has one.
  func buffer(_ part: ParameterPart, of name: String, layer: Int) throws(RunError) -> HostBuffer {
    try buffer(at: place(of: part, of: name), layer: layer)
  }

  mutating func allocate(_ form: Form) throws(RunError) -> HostBuffer {
    let buffer = try makeBuffer(form)
    charge(buffer)
    if poisons { buffer.poison() }
    return buffer
  }

  mutating func release(_ buffer: HostBuffer) {
    planned.release(buffer.plannedBytes)
    executed.release(buffer.executedBytes)
  }

  private mutating func charge(_ buffer: HostBuffer) {
    planned.allocate(buffer.plannedBytes)
    executed.allocate(buffer.executedBytes)
  }

  mutating func give(_ buffer: HostBuffer, _ key: SlotKey) { slots[key] = buffer }

  mutating func take(_ key: SlotKey) throws(RunError) -> HostBuffer {
    guard let buffer = slots.removeValue(forKey: key) else {
      throw RunError.malformedProgram("nothing was given to slot \(key.slot)")
    }
    return buffer
  }

  /// Whether every slot is empty, as it must be between steps.
  var isIdle: Bool { slots.isEmpty }
}

extension HostBuffer {
  /// Fills memory with values that spoil whatever reads them before they are written.
  func poison() {
    switch dtype {
    case .float64: view.store(repeatElement(Double.nan, count: count), at: 0)
    case .float32: view.store(repeatElement(Double.nan, count: count), at: 0)
    default: base.initializeMemory(as: UInt8.self, repeating: 0x7F, count: count * dtype.width)
    }
  }
}

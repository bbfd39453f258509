import PlanIR

extension BlockLowering {
  /// The buffer that holds `value` under `wanted`, made from another form where there is none.
  mutating func obtain(
    _ value: ValueID, _ wanted: Sharding
  ) throws(ConstraintViolation) -> BufferID {
    if let buffer = current.form(of: value, wanted) { return buffer }
    if current.forms(of: value).isEmpty { try provide(value, wanted) }
    if let buffer = current.form(of: value, wanted) { return buffer }
    guard let form = current.forms(of: value).first else {
      preconditionFailure("value \(graph.values[value].name) is read before it is computed")
    }
    _ = try context.type(graph.values[value], wanted)
    let buffer = current.reshard(form.buffer, to: wanted)
    current.record(value, wanted, buffer)
    return buffer
  }

  /// Brings a value that this phase has not seen: a weight from where it is stored, an input from
  /// the host, anything else from the phase that computed it.
  private mutating func provide(
    _ value: ValueID, _ wanted: Sharding
  ) throws(ConstraintViolation) {
    if try takeKept(value, wanted) { return }
    let description = graph.values[value]
    switch description.origin {
    case .parameter(let index):
      let sharding = storage(of: value)
      let buffer = current.addBuffer(
        Buffer(
          name: description.name, type: try context.type(description, sharding),
          bufferClass: .weight, stored: .parameter(.weight, graph.parameters[index].name)))
      current.record(value, sharding, buffer)
    case .tokens, .labels, .cotangent:
      let buffer = current.addBuffer(
        Buffer(
          name: description.name, type: try context.type(description, wanted),
          bufferClass: .input))
      current.emit(KernelCall(.load(description.origin), reads: [], writes: [buffer]))
      current.record(value, wanted, buffer)
    case .stream, .computed, .gradient:
      break
    }
  }

  /// Takes `value` from an earlier phase, in the form that the plan keeps: as gathered, or as stored
  /// and gathered again. Gathered gradients are always handed on.
  private mutating func takeKept(
    _ value: ValueID, _ wanted: Sharding
  ) throws(ConstraintViolation) -> Bool {
    let stored = storage(of: value)
    // A later phase may have taken one form only: first look for the preferred one in all of them.
    for anyForm in [false, true] {
      for index in earlier.indices.reversed() {
        let forms = earlier[index].forms(of: value)
        guard !forms.isEmpty else { continue }
        let choice = keptForm(of: value, wanted: wanted, phase: earlier[index].phase)
        let preferred = choice == .saved ? wanted : stored
        guard
          let form = forms.first(where: { $0.sharding == preferred })
            ?? (anyForm ? forms.first : nil),
          earlier[index].buffers[form.buffer].stored == nil
        else { continue }
        hand(value, form, from: index)
        return true
      }
    }
    return false
  }

  private func keptForm(of value: ValueID, wanted: Sharding, phase: Phase) -> GatherChoice {
    switch graph.values[value].origin {
    case .gradient: .saved
    case .parameter: context.choices.gathersWeights
    default: context.choices.gathersInputs
    }
  }

  private mutating func hand(_ value: ValueID, _ form: BodyBuilder.Form, from index: Int) {
    let name = graph.values[value].name
    let isStored = form.sharding == storage(of: value)
    if !isStored { noteGathered(value) }
    let slot = Slot.kept(isStored ? name : name + ".gathered")
    if earlier[index].buffers[form.buffer].bufferClass == .transient {
      earlier[index].setClass(.saved, of: form.buffer)
    }
    let source = earlier[index].buffers[form.buffer]
    let sharedSlot = slotAlreadyGiven(form.buffer, from: index) ?? slot
    earlier[index].give(sharedSlot, form.buffer)
    if let taken = current.takes.first(where: { $0.slot == sharedSlot }) {
      return current.record(value, form.sharding, taken.buffer)
    }
    let buffer = current.take(sharedSlot, source)
    current.record(value, form.sharding, buffer)
  }

  private mutating func noteGathered(_ value: ValueID) {
    switch graph.values[value].origin {
    case .gradient: break
    case .parameter: keepsGatheredWeights = true
    case .stream, .tokens, .labels, .cotangent, .computed: keepsGatheredInputs = true
    }
  }

  /// The kept slot through which an earlier phase gives `buffer` already, for another value that
  /// shares it.
  private func slotAlreadyGiven(_ buffer: BufferID, from index: Int) -> Slot? {
    earlier[index].gives.first {
      if case .kept = $0.slot { $0.buffer == buffer } else { false }
    }?.slot
  }
}

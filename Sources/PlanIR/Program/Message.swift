/// What one pipeline stage sends to a neighbour: the stream, or its gradient, of one micro-batch at
/// the boundary between two virtual stages.
///
/// A message is asynchronous: the sender goes on, and its buffer is free again when the message is
/// settled, which is when the receiver has it.
package struct Message: Hashable, Sendable {
  /// ``Slot/stream`` forwards, ``Slot/gradient`` backwards.
  package var slot: Slot
  /// The axis along which stages lie.
  package var axis: AxisReference
  /// Stages from sender to receiver, round the end: 1 or -1.
  package var shift: Int

  package init(_ slot: Slot, along axis: AxisReference, shift: Int) {
    self.slot = slot
    self.axis = axis
    self.shift = shift
  }

  /// The device that `device` sends to.
  package func receiver(from device: Int, in mesh: Mesh) -> Int {
    mesh.neighbour(of: device, along: axis, shift: shift)
  }

  /// The device that `device` receives from.
  package func sender(to device: Int, in mesh: Mesh) -> Int {
    mesh.neighbour(of: device, along: axis, shift: -shift)
  }
}

extension Mesh {
  /// The axis along which pipeline stages lie, by its name; nil without stages.
  package var pipeline: AxisReference? { axis("pipeline") }

  /// The number of pipeline stages.
  package var stageCount: Int { pipeline?.size ?? 1 }

  /// Devices of one stage.
  package var stageDevices: Int { deviceCount / stageCount }

  /// The stage of `device`.
  package func stage(of device: Int) -> Int {
    pipeline.map { coordinate(of: device, along: $0) } ?? 0
  }

  /// The device of `stage` with the same place in its stage as `device` has in its own.
  package func peer(of device: Int, on stage: Int) -> Int {
    guard let pipeline else { return device }
    return device + (stage - self.stage(of: device)) * stride(of: pipeline)
  }

  /// The device `shift` further along `axis` than `device`, round the end.
  package func neighbour(of device: Int, along axis: AxisReference, shift: Int) -> Int {
    let place = coordinate(of: device, along: axis)
    let other = (place + shift % axis.size + axis.size) % axis.size
    return device + (other - place) * stride(of: axis)
  }
}

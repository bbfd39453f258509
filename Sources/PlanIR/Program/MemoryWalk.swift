/// Walks a program's calls as a device runs them and finds the fullest instant.
package struct MemoryWalk {
  private var held = 0
  private var peak = 0

  /// Bytes at the fullest instant on `device`, where an element of each width takes what `width`
  /// says. One micro-batch suffices: at its end everything that it allocated is free again.
  package static func peak(
    of program: Program, on device: Int, width: (ValueWidth) -> Int
  ) -> Int {
    func bytes(_ type: TensorType) -> Int {
      type.chunk(on: device, in: program.mesh).count * width(type.width)
    }
    let sizes = program.bodies.map { body in body.buffers.map { bytes($0.type) } }
    var walk = MemoryWalk()
    walk.charge(width(.statistic))
    for parameter in program.parameters {
      for part in parameter.parts {
        var type = parameter.type
        type.width = part.width
        walk.charge(bytes(type) * parameter.repetitions)
      }
    }
    for call in program.stages.flatMap(\.calls) where call.microBatch == 0 {
      for instruction in program.bodies[call.body].instructions {
        switch instruction {
        case .allocate(let buffer): walk.charge(sizes[call.body][buffer])
        case .free(let buffer): walk.charge(-sizes[call.body][buffer])
        case .kernel, .start, .await: break
        }
      }
    }
    return walk.peak
  }

  /// The planned peak of every device, those that hold equal chunks worked out once.
  package static func plannedPeaks(of program: Program) -> [Int] {
    let chunks = program.parameters.map(\.type.sharding.chunks)
    var known: [[Int]: Int] = [:]
    return (0..<program.mesh.deviceCount).map { device in
      let key = chunks.map { program.mesh.index(of: device, along: $0) }
      if let peak = known[key] { return peak }
      let found = peak(of: program, on: device) { program.precision.bytes(of: $0) }
      known[key] = found
      return found
    }
  }

  private mutating func charge(_ bytes: Int) {
    held += bytes
    peak = max(peak, held)
  }
}

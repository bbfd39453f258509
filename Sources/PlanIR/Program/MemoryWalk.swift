/// Walks a program's calls as a device runs them and finds the fullest instant.
package struct MemoryWalk {
  private var held = 0
  private var peak = 0

  /// Bytes at the fullest instant on `device`, where an element of each width takes what `width`
  /// says. Without stages one micro-batch suffices: at its end all that it allocated is free again.
  package static func peak(
    of program: Program, on device: Int, holdings: Holdings, width: (ValueWidth) -> Int
  ) -> Int {
    let stage = program.mesh.stage(of: device)
    func bytes(_ type: TensorType) -> Int {
      type.chunk(on: device, in: program.mesh).count * width(type.width)
    }
    let sizes = program.bodies.map { body in body.buffers.map { bytes($0.type) } }
    var walk = MemoryWalk()
    walk.charge(width(.statistic))
    for (index, parameter) in program.parameters.enumerated() {
      let count = holdings.layers(of: index, on: stage).count
      for part in parameter.parts {
        walk.charge(bytes(parameter.type(of: part)) * count)
      }
    }
    let isAlone = program.stages.count == 1
    for call in program.stages[stage].calls
    where !isAlone || call.microBatch == 0 || call.phase.isOnceAStep {
      for instruction in program.bodies[call.body].instructions {
        switch instruction {
        case .allocate(let buffer): walk.charge(sizes[call.body][buffer])
        case .free(let buffer): walk.charge(-sizes[call.body][buffer])
        case .kernel, .start, .await, .send, .receive, .settle: break
        }
      }
    }
    return walk.peak
  }

  /// The planned peak of every device, those that hold equal chunks worked out once.
  package static func plannedPeaks(of program: Program) -> [Int] {
    let holdings = Holdings(program)
    let chunks = program.chunkAxes
    var known: [[Int]: Int] = [:]
    return (0..<program.mesh.deviceCount).map { device in
      let key =
        [program.mesh.stage(of: device)] + chunks.map { program.mesh.index(of: device, along: $0) }
      if let peak = known[key] { return peak }
      let found = peak(of: program, on: device, holdings: holdings) {
        program.precision.bytes(of: $0)
      }
      known[key] = found
      return found
    }
  }

  private mutating func charge(_ bytes: Int) {
    held += bytes
    peak = max(peak, held)
  }
}

extension Program {
  /// The axes lists over which anything is cut into chunks, each once.
  fileprivate var chunkAxes: [[AxisReference]] {
    let stored = parameters.flatMap { parameter in
      parameter.parts.map { parameter.type(of: $0).sharding.chunks }
    }
    let used = bodies.flatMap { $0.buffers.map(\.type.sharding.chunks) }
    return Set(stored + used).sorted { $0.lexicographicallyPrecedes($1) }
  }
}

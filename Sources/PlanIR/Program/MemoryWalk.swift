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
        var type = parameter.type
        type.width = part.width
        walk.charge(bytes(type) * count)
      }
    }
    let isAlone = program.stages.count == 1
    for call in program.stages[stage].calls where !isAlone || call.microBatch == 0 {
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
    let chunks = Self.chunks(of: program)
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

  /// The axes lists over which anything is cut into chunks, each once.
  private static func chunks(of program: Program) -> [[AxisReference]] {
    var found: Set<[AxisReference]> = []
    for parameter in program.parameters { found.insert(parameter.type.sharding.chunks) }
    for body in program.bodies {
      for buffer in body.buffers { found.insert(buffer.type.sharding.chunks) }
    }
    return Array(found)
  }

  private mutating func charge(_ bytes: Int) {
    held += bytes
    peak = max(peak, held)
  }
}

/// Which repetitions of which parameters the devices of each stage hold: those that its calls bind.
package struct Holdings: Sendable {
  /// By stage, then parameter.
  private let layers: [[[Int]]]

  package init(_ program: Program) {
    let index = Dictionary(
      uniqueKeysWithValues: program.parameters.enumerated().map { ($1.name, $0) })
    let bound = program.bodies.map { body in
      Set(
        body.buffers.compactMap { buffer -> Int? in
          guard case .parameter(_, let name) = buffer.stored else { return nil }
          return index[name]
        })
    }
    layers = program.stages.map { stage in
      var held = program.parameters.map { _ in Set<Int>() }
      // Micro-batches bind alike: the first shows all.
      for call in stage.calls where call.microBatch == 0 || call.phase == .optimize {
        for parameter in bound[call.body] {
          let isOne = program.parameters[parameter].repetitions == 1
          held[parameter].insert(isOne ? 0 : call.position.layer)
        }
      }
      return held.map { $0.sorted() }
    }
  }

  /// The repetitions of a parameter that devices of `stage` hold, ascending.
  package func layers(of parameter: Int, on stage: Int) -> [Int] { layers[stage][parameter] }
}

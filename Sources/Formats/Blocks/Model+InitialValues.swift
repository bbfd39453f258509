import PlanIR

extension Model {
  /// This model with an initial value for each parameter but those in `stated`, given by what reads
  /// it in `chain`: activations and logits come out of order one at every width.
  func withInitialValues(
    from chain: [ChainSegment], except stated: Set<String> = []
  ) -> Model {
    var values: [String: InitialValue] = [:]
    for graph in chain.flatMap(\.blocks) {
      for (index, parameter) in graph.parameters.enumerated() where parameter.isOwn {
        values[parameter.name] = initialValue(ofParameter: index, in: graph)
      }
    }
    var model = self
    for segment in segments.indices {
      for block in segments[segment].blocks.indices {
        model.segments[segment].blocks[block].setInitialValues(values, except: stated)
      }
    }
    return model
  }

  private func initialValue(ofParameter index: Int, in graph: BlockGraph) -> InitialValue {
    let value = graph.values.firstIndex { $0.origin == .parameter(index) }
    guard let value, let reader = graph.operations.first(where: { $0.inputs.contains(value) })
    else { return InitialValue(deviation: 0.02) }
    switch reader.kind {
    case .matmul:
      let shared = graph.values[value].dimensions.filter {
        graph.values[reader.inputs[0]].dimensions.contains($0)
      }
      let fanIn = graph.sizes.shape(of: shared).reduce(1) { $0 * Double($1) }
      return InitialValue(deviation: 1 / fanIn.squareRoot())
    case .embedding:
      return tableValue(graph.parameters[index].name)
    case .normApply:
      return reader.inputs[2] == value ? .gain : .bias
    default:
      let isPositions = graph.values[value].dimensions.contains(.sequence)
      return isPositions ? InitialValue(deviation: 0.1) : .bias
    }
  }

  /// A table that the head reads too is drawn narrower, or wide models' logits would saturate.
  private func tableValue(_ name: String) -> InitialValue {
    let isTied = segments.flatMap(\.blocks).contains { $0.borrowed.contains(name) }
    guard isTied else { return InitialValue(deviation: 0.5) }
    return InitialValue(deviation: min(0.5, 2 / Double(sizes[.hidden]).squareRoot()))
  }
}

extension Block {
  fileprivate mutating func setInitialValues(
    _ values: [String: InitialValue], except stated: Set<String>
  ) {
    for index in parameters.indices {
      let name = "\(self.name)/\(parameters[index].name)"
      guard !stated.contains(name), let value = values[name] else { continue }
      parameters[index].initial = value
    }
  }
}

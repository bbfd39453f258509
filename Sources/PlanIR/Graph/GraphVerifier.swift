/// Checks that a differentiated graph holds together: values are computed before they are read, and
/// every parameter that is read gets a gradient.
package enum GraphVerifier {
  /// Everything wrong with `gradients`; empty for a sound graph.
  package static func faults(of gradients: GradientGraph) -> [String] {
    let graph = gradients.graph
    var faults: [String] = []
    var known = Set(graph.values.indices.filter { isGiven(graph.values[$0].origin) })
    if let output = graph.output, let gradient = gradients.gradients[output] {
      known.insert(gradient)
    }
    for phase in [Phase.forward, .inputGradient, .weightGradient] {
      for operation in gradients.operations(of: phase) {
        for value in operation.inputs where !known.contains(value) {
          faults.append(
            "\(graph.name).\(phase.rawValue): \(operation.kind.name) reads "
              + "\(graph.values[value].name) before it is computed")
        }
        known.formUnion(operation.outputs)
      }
    }
    for value in Set(graph.operations.flatMap(\.inputs)).sorted() {
      guard case .parameter = graph.values[value].origin else { continue }
      guard gradients.gradients[value].map({ known.contains($0) }) ?? false else {
        faults.append("\(graph.name): parameter \(graph.values[value].name) has no gradient")
        continue
      }
    }
    return faults
  }

  private static func isGiven(_ origin: GraphValue.Origin) -> Bool {
    switch origin {
    case .stream, .parameter, .tokens, .labels, .cotangent: true
    case .computed, .gradient: false
    }
  }
}

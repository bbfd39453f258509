import PlanIR

/// When the values of a block are read and written, counted in operations over all three phases.
struct LiveValues {
  private var lastRead: [ValueID: Int] = [:]
  private var lastWrite: [ValueID: Int] = [:]
  private var leaving: Set<ValueID> = []

  init(_ gradients: GradientGraph) {
    var position = 0
    for phase in BlockLowering.phases {
      for operation in gradients.operations(of: phase) {
        for value in operation.inputs { lastRead[value] = position }
        for value in operation.outputs { lastWrite[value] = position }
        position += 1
      }
    }
    if let output = gradients.graph.output { leaving.insert(output) }
    if let input = gradients.graph.input, let gradient = gradients.gradients[input] {
      leaving.insert(gradient)
    }
  }

  func isRead(_ value: ValueID, after position: Int) -> Bool {
    lastRead[value].map { $0 > position } ?? false
  }

  func isWritten(_ value: ValueID, after position: Int) -> Bool {
    lastWrite[value].map { $0 > position } ?? false
  }

  /// Whether the value leaves its block: the stream, or the stream's gradient.
  func leaves(_ value: ValueID) -> Bool { leaving.contains(value) }
}

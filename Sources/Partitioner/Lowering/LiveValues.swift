import PlanIR

/// When the values of a block are read and written, counted in operations over all three phases.
struct LiveValues {
  /// By value; before all of them what is never read, or written.
  private var lastRead: [Int]
  private var lastWrite: [Int]
  private var leaving: [ValueID] = []

  init(_ gradients: GradientGraph) {
    lastRead = gradients.graph.values.map { _ in Int.min }
    lastWrite = lastRead
    var position = 0
    for phase in BlockLowering.phases {
      for operation in gradients.operations(of: phase) {
        for value in operation.inputs { lastRead[value] = position }
        for value in operation.outputs { lastWrite[value] = position }
        position += 1
      }
    }
    if let output = gradients.graph.output { leaving.append(output) }
    if let input = gradients.graph.input, let gradient = gradients.gradients[input] {
      leaving.append(gradient)
    }
  }

  func isRead(_ value: ValueID, after position: Int) -> Bool { lastRead[value] > position }

  func isWritten(_ value: ValueID, after position: Int) -> Bool { lastWrite[value] > position }

  /// Whether the value leaves its block: the stream, or the stream's gradient.
  func leaves(_ value: ValueID) -> Bool { leaving.contains(value) }
}

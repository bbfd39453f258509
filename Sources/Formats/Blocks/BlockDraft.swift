import PlanIR

/// A block being written, operation by operation.
struct BlockDraft {
  private var parameters: [Parameter] = []
  private var borrowed: [String] = []
  private var operations: [ModelOperation] = []
  private let name: String
  private let blockClass: BlockClass

  /// An empty block called `name`.
  init(_ name: String, _ blockClass: BlockClass) {
    self.name = name
    self.blockClass = blockClass
  }

  /// Adds a parameter kept in the checkpoint's `tensor`, whole or as a part of it.
  mutating func parameter(
    _ name: String, _ dimensions: [Dimension], _ tensor: String,
    part: CheckpointSlice.Part? = nil
  ) {
    parameters.append(
      Parameter(
        name: name, dimensions: dimensions, initial: InitialValue(deviation: 0),
        checkpoint: CheckpointSlice(tensor, part: part)))
  }

  /// Reads a parameter of an earlier block, `block/parameter`.
  mutating func borrow(_ reference: String) { borrowed.append(reference) }

  /// Adds an operation that defines `output`.
  mutating func operation(_ kind: ModelOperation.Kind, _ inputs: [String], output: String) {
    operations.append(ModelOperation(kind, inputs, output: output))
  }

  /// The block, of which the last operation's result leaves.
  var block: Block {
    Block(
      name: name, blockClass: blockClass, parameters: parameters, borrowed: borrowed,
      operations: operations, output: operations.last?.output ?? Block.streamInput)
  }
}

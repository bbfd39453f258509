import PlanIR

extension SmallProgram {
  /// Copies of windows of a tensor of four dimensions, and back into their place, on the mesh of a program
  /// with one tensor axis: along each dimension, and a chunk of all; copies of the whole, and added to one.
  static func copies(in program: Program) -> (body: Body, calls: [KernelCall]) {
    let dimensions: [Dimension] = [.batch, .sequence, .heads, .headWidth]
    let whole = type(dimensions, [2, 6, 4, 10])
    var buffers = [Buffer(name: "whole", type: whole, bufferClass: .transient)]
    var calls: [KernelCall] = []
    func add(_ part: TensorType) -> BufferID {
      buffers.append(Buffer(name: "part \(buffers.count)", type: part, bufferClass: .transient))
      return buffers.count - 1
    }
    let axis = program.mesh.whole("tensor")
    for (index, dimension) in dimensions.enumerated() {
      var part = whole
      part.sizes[index] /= 2
      let panel = Panel(of: dimension, index: 1, count: 2)
      let cut = add(part)
      calls.append(KernelCall(.panel(panel), reads: [0], writes: [cut]))
      calls.append(KernelCall(.place(panel, owner: 0, over: []), reads: [cut], writes: [0]))
      var sharded = whole
      sharded.sharding = Sharding(dimensions: dimensions.map { $0 == dimension ? axis : [] })
      calls.append(KernelCall(.slice, reads: [0], writes: [add(sharded)]))
    }
    var chunk = whole
    chunk.sharding = Sharding(dimensions: dimensions.map { _ in [] }, chunks: axis)
    calls.append(KernelCall(.slice, reads: [0], writes: [add(chunk)]))
    let other = add(whole)
    calls.append(KernelCall(.copy, reads: [0], writes: [other]))
    calls.append(KernelCall(.copy, reads: [0], writes: [other], accumulate: true))
    let body = Body(
      name: "copies.forward", blockClass: .mlp, phase: .forward, buffers: buffers,
      instructions: calls.map { .kernel($0) })
    return (body, calls)
  }

  private static func type(_ dimensions: [Dimension], _ sizes: [Int]) -> TensorType {
    TensorType(
      dimensions: dimensions, sizes: sizes,
      sharding: Sharding(dimensions: dimensions.map { _ in [] }), width: .activation)
  }
}

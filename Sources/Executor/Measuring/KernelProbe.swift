import Kernels
package import PlanIR

/// One kernel call of a program, to be run by itself as the program's first device runs it.
///
/// Who measures brings the memory: one piece for each of ``operands``, filled with ordinary numbers.
package struct KernelProbe: Sendable {
  /// Under what its time is kept.
  package let identity: KernelIdentity
  /// The type that it computes in.
  package let dtype: DType
  /// The memory that it reads and writes, each buffer once.
  package let operands: [Operand]
  /// Of each of ``operands`` whether a step has used its memory just before: what is computed from first, as kernels
  /// before have written that, and what is written, but not read or added to, which lies where something was just
  /// freed; as far as a core's caches have room for it. Nothing of an optimizer's, which goes through all of a
  /// device's parameters.
  package let areNear: [Bool]
  /// One more than the largest id that it may read.
  package let vocabulary: Int
  private let program: Program
  private let body: Body
  private let call: KernelCall
  /// The place of each buffer among ``operands``.
  private let places: [BufferID: Int]

  /// Memory of one buffer: `count` elements of `dtype`; ids where this is int64.
  package struct Operand: Hashable, Sendable {
    package let dtype: DType
    package let count: Int

    /// Its bytes.
    package var bytes: Int { count * dtype.width }
  }

  /// A call of `body` in `program` in float32 or float64; nil where it computes nothing by itself: what
  /// is loaded from the host, and panels that belong to another device.
  package init?(_ call: KernelCall, in body: Body, of program: Program, dtype: DType) {
    switch call.kind {
    case .load, .operation(.features): return nil
    case .place(_, let owner, let axes):
      guard program.mesh.index(of: 0, along: axes) == owner else { return nil }
    default: break
    }
    identity = call.identity(in: body)
    self.dtype = dtype
    self.program = program
    self.body = body
    self.call = call
    vocabulary = max(1, program.vocabulary)
    let precision = RunPrecision(dtype, planned: program.precision)
    var operands: [Operand] = []
    var places: [BufferID: Int] = [:]
    for buffer in call.reads + call.writes where places[buffer] == nil {
      let type = body.buffers[buffer].type
      places[buffer] = operands.count
      operands.append(
        Operand(
          dtype: precision.heldType(of: type.width),
          count: type.chunk(on: 0, in: program.mesh).count))
    }
    (self.operands, self.places) = (operands, places)
    let near = body.phase == .optimize ? [] : Self.near(call)
    let nearPlaces = Set(near.compactMap { places[$0] })
    areNear = operands.indices.map {
      nearPlaces.contains($0) && operands[$0].bytes <= Self.nearBytes
    }
  }

  /// What a core's nearer caches hold of memory that was just used: those of most servers have 1 to 2 MiB.
  private static let nearBytes = 1 << 20

  /// What of `call` was used just before.
  private static func near(_ call: KernelCall) -> [BufferID] {
    let written = call.accumulate ? [] : call.writes.filter { !call.reads.contains($0) }
    return written + call.reads.prefix(1).filter { !call.writes.contains($0) }
  }

  /// The kernel as a function of where its operands lie, in the order of ``operands``.
  ///
  /// - Throws: ``RunError/malformedProgram(_:)`` where a plan's types cannot be computed with.
  package func compile() throws(RunError) -> ([UnsafeMutableRawPointer]) -> Void {
    let compiler = KernelCompiler(
      program: program, device: 0, batch: HostBatch(tokens: [], labels: []),
      settings: RunSettings(dtype: dtype))
    let kernel = try compiler.compile(call, in: body)
    let (reads, writes) = (call.reads.map(place), call.writes.map(place))
    let context = CallContext(layer: 0, microBatch: 0, step: 0)
    return { [operands] memory in
      func view(_ place: Int) -> TensorView {
        let operand = operands[place]
        return TensorView(base: memory[place], dtype: operand.dtype, count: operand.count)
      }
      kernel(KernelOperands(reads: reads.map(view), writes: writes.map(view)), context)
    }
  }

  private func place(of buffer: BufferID) -> Int { places[buffer, default: 0] }
}

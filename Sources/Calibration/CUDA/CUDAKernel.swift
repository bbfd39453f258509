package import Executor
package import PlanIR

/// Memory of one buffer: `count` elements of `dtype`; ids where this is int64.
package struct CUDAOperand: Hashable, Sendable {
  package let dtype: DType
  package let count: Int

  /// Its bytes.
  package var bytes: Int { count * dtype.width }
}

/// A kernel of a program as a GPU runs it, to be measured by itself.
///
/// The same work under the same name as the kernel that threads run, so that times of both machines can be
/// looked up alike.
package struct CUDAKernel: Sendable {
  /// Under what its time is kept.
  package let identity: KernelIdentity
  /// The type of activations and weights, or, of what only copies or clears, of what it writes: gradients
  /// are wider than activations of the same shape.
  package let dtype: DType
  /// The memory that it reads and writes, each buffer once.
  package let operands: [CUDAOperand]
  /// What operands must hold that the kernel reads and no buffer has, by their place.
  package let tables: [Int: [Float]]
  /// One more than the largest id that it may read.
  package let vocabulary: Int
  /// What is launched, in order.
  package let launches: [CUDALaunch]

  /// Memory of `call`'s operands and `launches` that do its work.
  init(_ draft: CUDAKernelDraft, launches: [CUDALaunch]) {
    identity = draft.call.identity(in: draft.body)
    dtype = draft.timedType
    operands = draft.operands
    tables = draft.tables
    vocabulary = max(1, draft.program.vocabulary)
    self.launches = launches
  }

  /// The kernel of a call of `body` in `program`, on its first device; nil of what is no kernel here:
  /// products, which cuBLAS runs; attention; dropout; what is loaded from the host; and panels that belong to
  /// another device. Where `dtype`, of activations and weights, has 16 bits, the other values are as wide as in
  /// precision `mixed`.
  package init?(_ call: KernelCall, in body: Body, of program: Program, dtype: DType) {
    var draft = CUDAKernelDraft(call, in: body, of: program, dtype: dtype)
    guard let launches = draft.launches(), !launches.isEmpty else { return nil }
    self.init(draft, launches: launches)
  }

  /// What runs kernels, in keys.
  package static let backend = "nvrtc"

  /// Bytes of its operands.
  var bytes: Double { operands.reduce(0) { $0 + Double($1.bytes) } }

  /// Under what its time is kept.
  func key(fingerprint: String) -> TimingKey {
    TimingKey(
      kernel: identity.kernel, dtype: dtype, shape: identity.shape, backend: Self.backend,
      fingerprint: fingerprint)
  }
}

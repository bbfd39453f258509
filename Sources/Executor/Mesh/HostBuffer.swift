import Kernels
import PlanIR

/// Memory of one device: elements of a run's type, charged at two widths.
final class HostBuffer {
  let base: UnsafeMutableRawPointer
  let dtype: DType
  let count: Int
  /// Bytes by which the planned ledger is charged.
  let plannedBytes: Int
  private let arena: Arena

  /// Memory for `count` elements; aligned for vectors, not cleared.
  init(dtype: DType, count: Int, plannedBytes: Int, arena: Arena) throws(RunError) {
    base = try arena.allocate(count * dtype.width)
    self.dtype = dtype
    self.count = count
    self.plannedBytes = plannedBytes
    self.arena = arena
  }

  deinit { arena.release(base, executedBytes) }

  var executedBytes: Int { count * dtype.width }

  var view: TensorView { TensorView(base: base, dtype: dtype, count: count) }
}

/// What a device holds and held most, counted at each allocation and release.
struct Ledger {
  private(set) var held = 0
  private(set) var peak = 0

  mutating func allocate(_ bytes: Int) {
    held += bytes
    peak = max(peak, held)
  }

  mutating func release(_ bytes: Int) { held -= bytes }
}

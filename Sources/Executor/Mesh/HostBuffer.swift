import Kernels
import PlanIR

#if canImport(Glibc)
  import Glibc
#endif

/// Memory of one device: elements of a run's type, charged at two widths.
final class HostBuffer {
  let base: UnsafeMutableRawPointer
  let dtype: DType
  let count: Int
  /// Bytes by which the planned ledger is charged.
  let plannedBytes: Int

  /// Memory for `count` elements; aligned for vectors, not cleared.
  init(dtype: DType, count: Int, plannedBytes: Int) throws(RunError) {
    var pointer: UnsafeMutableRawPointer?
    let status = posix_memalign(&pointer, 64, max(count * dtype.width, 64))
    guard status == 0, let pointer else {
      throw RunError.outOfMemory(bytes: count * dtype.width)
    }
    base = pointer
    self.dtype = dtype
    self.count = count
    self.plannedBytes = plannedBytes
  }

  deinit { free(base) }

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

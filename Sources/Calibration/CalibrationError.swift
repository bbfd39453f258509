/// Why nothing can be measured.
package enum CalibrationError: Error, Hashable, Sendable {
  /// The system has not the memory for a product's operands.
  case outOfMemory(bytes: Int)
  /// The BLAS library keeps using `threads` threads when told to use one (its OpenMP build).
  case notSingleThreaded(threads: Int)
}

extension CalibrationError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .outOfMemory(let bytes):
      "measuring needs \(bytes) bytes for operands, which the system refuses; measure smaller "
        + "products, or free memory"
    case .notSingleThreaded(let threads):
      "the BLAS library was told to use 1 thread and uses \(threads), so that its time on one "
        + "core cannot be measured; install its pthread build (libopenblas0-pthread), or set "
        + "OMP_NUM_THREADS=1"
    }
  }
}

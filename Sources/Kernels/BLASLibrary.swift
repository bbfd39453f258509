import COpenBLAS

/// The OpenBLAS that kernels call: what it is and how many threads it may use.
package enum BLASLibrary {
  /// How the library divides work among threads.
  package enum Threading: Int, Sendable { case sequential = 0, pthread = 1, openMP = 2 }

  /// Sets how many threads one product may use, for the whole process; call before ranks start.
  ///
  /// The OpenMP build ignores this, so check ``threading`` first.
  package static func setThreads(_ count: Int) { openblas_set_num_threads(Int32(count)) }

  /// Ends the threads that the library makes as it is loaded, one a core less one, which spin for a tenth of a second
  /// waiting for products; the first product that wants several makes them again.
  package static func endIdleThreads() { tpplan_end_blas_threads() }

  /// How many threads one product may use.
  package static var threads: Int { Int(openblas_get_num_threads()) }

  /// How the library was built to run in parallel; nil if it answers something unknown.
  package static var threading: Threading? {
    Threading(rawValue: Int(openblas_get_parallel()))
  }

  /// The version and build options, part of the machine's fingerprint.
  package static var configuration: String { text(openblas_get_config()) }

  /// The processor whose kernels the library chose, part of the machine's fingerprint.
  package static var core: String { text(openblas_get_corename()) }

  private static func text(_ characters: UnsafeMutablePointer<CChar>?) -> String {
    characters.map { String(cString: $0) } ?? "unknown"
  }
}

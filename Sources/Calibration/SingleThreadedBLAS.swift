import Foundation
import Kernels

/// Gives the BLAS library one thread while something is measured.
///
/// The number is the whole process's, so only one measurement runs at a time: two would disturb
/// each other's number and each other's caches. A measurement may start another on its own thread.
enum SingleThreadedBLAS {
  private static let lock = NSRecursiveLock()

  /// Calls `body` with one BLAS thread, and restores the number afterwards, also after an error.
  static func run<Result>(_ body: () throws -> Result) throws -> Result {
    lock.lock()
    defer { lock.unlock() }
    let threads = BLASLibrary.threads
    BLASLibrary.setThreads(1)
    defer { BLASLibrary.setThreads(threads) }
    guard BLASLibrary.threads == 1 else {
      throw CalibrationError.notSingleThreaded(threads: BLASLibrary.threads)
    }
    return try body()
  }
}

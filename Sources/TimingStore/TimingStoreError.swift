import GRDB
package import PlanIR

/// Why the database of timings could not be used.
package enum TimingStoreError: Error, Hashable, Sendable {
  /// The file is no database, a damaged one or another program's.
  case damaged(file: String, reason: String)
  /// A later version of tpplan wrote the file; `migrations` are those this version does not know.
  case newer(file: String, migrations: [String])
  /// The file exists and the system refuses to read it.
  case unreadable(file: String, reason: String)
  /// The file cannot be made or written.
  case unwritable(file: String, reason: String)
  /// Other processes held the file for longer than a writer waits.
  case locked(file: String, seconds: Double)
  /// A timing that cannot be stored: a time that is negative or not finite, no samples.
  case invalid(file: String, key: TimingKey, reason: String)
  /// The environment names no folder for the database.
  case homeless

  /// The status a command ends with: 65 bad data, 74 reading or writing failed.
  package var exitCode: Int32 {
    switch self {
    case .damaged, .newer, .invalid: 65
    case .unreadable, .unwritable, .locked, .homeless: 74
    }
  }
}

extension TimingStoreError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .damaged(let file, let reason):
      "\(file): expected a database of timings, found: \(reason); move the file away to start "
        + "afresh, or name another with --timings"
    case .newer(let file, let migrations):
      "\(file): expected a database of this version of tpplan, found a newer one "
        + "(\(migrations.joined(separator: ", "))); update tpplan or name another file with "
        + "--timings"
    case .unreadable(let file, let reason):
      "\(file): cannot be read: \(reason); check its permissions and its folder's"
    case .unwritable(let file, let reason):
      "\(file): cannot be written: \(reason); check the folder's permissions and free space, or "
        + "name another file with --timings"
    case .locked(let file, let seconds):
      "\(file): other processes held it for more than \(seconds) seconds; wait for them to end, "
        + "or name another file with --timings"
    case .invalid(let file, let key, let reason):
      "\(file): the timing of \(key.kernel) \(key.shapeText) on \(key.backend) cannot be stored: "
        + "\(reason); measure it again"
    case .homeless:
      "neither XDG_DATA_HOME nor HOME names a folder for the timings; name a file with --timings"
    }
  }
}

extension TimingStoreError {
  /// What was tried when SQLite failed; some of its codes do not say.
  enum Attempt {
    case reading, writing
  }

  /// What SQLite's `error` means.
  init(_ error: any Error, file: String, while attempt: Attempt, patience: Double) {
    if let known = error as? TimingStoreError {
      self = known
      return
    }
    guard let failure = error as? DatabaseError else {
      self = Self.refusal(file, "\(error)", attempt)
      return
    }
    let reason = failure.message ?? "\(failure.resultCode)"
    switch failure.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(file: file, seconds: patience)
    case .SQLITE_READONLY, .SQLITE_FULL: self = .unwritable(file: file, reason: reason)
    case .SQLITE_CANTOPEN, .SQLITE_IOERR, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_NOMEM:
      self = Self.refusal(file, reason, attempt)
    default: self = .damaged(file: file, reason: reason)
    }
  }

  private static func refusal(_ file: String, _ reason: String, _ attempt: Attempt) -> Self {
    switch attempt {
    case .reading: .unreadable(file: file, reason: reason)
    case .writing: .unwritable(file: file, reason: reason)
    }
  }
}

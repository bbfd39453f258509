import Foundation
import GRDB

/// Opens a database file without changing one that is not ours.
struct TimingOpening {
  let path: String
  let patience: Double

  /// A connection for reading and writing; the file is made if it is missing.
  func readWrite() throws -> DatabaseQueue {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    try makeFolder(folder)
    let queue = try DatabaseQueue(path: plainPath, configuration: configuration)
    let isCurrent = try version(queue) == .current
    try retryingWhileBusy { try queue.writeWithoutTransaction(Self.useWriteAheadLog) }
    if !isCurrent { try migrate(queue) }
    return queue
  }

  /// A connection for reading, or nil where there is nothing to read.
  func readOnly() throws -> DatabaseQueue? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      return try readOnly(at: plainPath)
    } catch let error as DatabaseError where isRefused(error) && isAtRest {
      return try readOnly(at: immutablePath)
    }
  }

  /// Whether the log's index could not be opened or made.
  private func isRefused(_ error: DatabaseError) -> Bool {
    [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode)
  }

  private func readOnly(at path: String) throws -> DatabaseQueue? {
    var configuration = self.configuration
    configuration.readonly = true
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    // What an earlier version lacks, rows have not: its columns may be null.
    return try version(queue) == .none ? nil : queue
  }

  /// Whether the file holds all that was written: no log lies beside it.
  private var isAtRest: Bool {
    (try? Data(contentsOf: URL(fileURLWithPath: path + "-wal")).isEmpty) ?? true
  }

  /// The path of a file that nobody writes, for readers who may not make the log's index in its folder.
  private var immutablePath: String {
    let plain = CharacterSet.urlPathAllowed
    let escaped = plainPath.addingPercentEncoding(withAllowedCharacters: plain) ?? plainPath
    return "file:\(escaped)?immutable=1"
  }

  /// The path as SQLite takes it literally; `:memory:` and `file:` mean something else to it.
  private var plainPath: String { path.hasPrefix("/") ? path : "./" + path }

  private var configuration: Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    configuration.label = "timings"
    return configuration
  }

  /// Whose tables a file of ours has.
  private enum Version {
    case none, earlier, current
  }

  /// Which version made the tables, as far as they are there.
  private func version(_ queue: DatabaseQueue) throws -> Version {
    switch try queue.read(TimingSchema.state) {
    case .empty: return .none
    case .ours(let isCurrent): return isCurrent ? .current : .earlier
    case .newer(let migrations):
      throw TimingStoreError.newer(file: path, migrations: migrations)
    case .foreign:
      throw TimingStoreError.damaged(file: path, reason: "another program's database")
    }
  }

  private func makeFolder(_ folder: URL) throws {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw TimingStoreError.unwritable(
        file: path, reason: "the folder \(folder.path) cannot be made")
    }
  }

  private static func useWriteAheadLog(_ database: Database) throws {
    if try String.fetchOne(database, sql: "PRAGMA journal_mode") != "wal" {
      try database.execute(sql: "PRAGMA journal_mode = WAL")
    }
    try database.execute(sql: "PRAGMA synchronous = NORMAL")
  }

  /// Makes the tables. Another process may do the same at the same time: who comes second finds one
  /// made, fails, and goes on from there, though the other may not have come to the last.
  private func migrate(_ queue: DatabaseQueue) throws {
    for attempt in 1... {
      do {
        return try retryingWhileBusy { try TimingSchema.migrator.migrate(queue) }
      } catch let error as DatabaseError {
        if try version(queue) == .current { return }
        let isMade = [.SQLITE_ERROR, .SQLITE_CONSTRAINT].contains(error.resultCode)
        guard isMade, attempt < Self.mostAttempts else { throw error }
        Thread.sleep(forTimeInterval: 0.01)
      }
    }
  }

  /// More than others can make between two looks at what is there.
  private static let mostAttempts = 100

  /// SQLite does not always wait by itself when several processes change the journal mode of a new
  /// file: 3.40.1 told 29 of 2400 openings at once that it was locked, after 0.1 ms.
  private func retryingWhileBusy(_ body: () throws -> Void) throws {
    let end = ContinuousClock.now + .seconds(patience)
    while true {
      do {
        return try body()
      } catch let error as DatabaseError
        where error.resultCode == .SQLITE_BUSY && ContinuousClock.now < end
      {
        Thread.sleep(forTimeInterval: 0.01)
      }
    }
  }
}

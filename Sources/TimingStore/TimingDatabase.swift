import GRDB
package import PlanIR

/// The timings measured on this and other machines, in one SQLite file that many processes and
/// threads may use at once.
///
/// Readers never wait for a writer (write-ahead log); writers wait for each other, at most
/// ``patience`` seconds.
package final class TimingDatabase: TimingSource, TimingSink {
  /// What may be done with the file.
  package enum Access: Hashable, Sendable {
    /// Reading and writing; a missing file is made, with its folders.
    case readWrite
    /// Reading; a missing file counts as empty and is not made.
    case readOnly
  }

  /// How long most wait for other writers, in seconds.
  package static let usualPatience = 60.0

  /// The file's path.
  package let path: String
  /// How long to wait for other writers, in seconds.
  package let patience: Double
  /// The connection; nil where a file that is only to be read does not exist or is empty.
  private let queue: DatabaseQueue?

  /// Opens the file at `path`.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - access: What will be done with it.
  ///   - patience: How long to wait for other writers, in seconds.
  /// - Throws: ``TimingStoreError`` where the file is damaged, another program's, a newer version's
  ///   (such files are never changed) or refused by the system.
  package init(
    _ path: String, access: Access = .readWrite, patience: Double = usualPatience
  ) throws(TimingStoreError) {
    self.path = path
    self.patience = patience
    let opening = TimingOpening(path: path, patience: patience)
    do {
      switch access {
      case .readWrite: queue = try opening.readWrite()
      case .readOnly: queue = try opening.readOnly()
      }
    } catch {
      throw TimingStoreError(
        error, file: path, while: access == .readOnly ? .reading : .writing, patience: patience)
    }
  }

  /// The timing stored for `key`, or nil where none was measured.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails.
  package func timing(for key: TimingKey) throws(TimingStoreError) -> Timing? {
    let records = try fetch(
      TimingRecord.filter(
        Column.fingerprint == key.fingerprint && Column.backend == key.backend
          && Column.kernel == key.kernel && Column.dtype == key.dtype.rawValue
          && Column.transposition == key.transposition && Column.shape == key.shapeText))
    return records.first?.timing
  }

  /// All timings of one machine, for planners that look up many.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails.
  package func timings(fingerprint: String) throws(TimingStoreError) -> [TimingKey: Timing] {
    let entries = try fetch(TimingRecord.filter(Column.fingerprint == fingerprint))
    return Dictionary(entries.map { ($0.key, $0.timing) }) { first, _ in first }
  }

  /// All timings, sorted by key.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails.
  package func all() throws(TimingStoreError) -> [(key: TimingKey, timing: Timing)] {
    try fetch(TimingRecord.all()).sorted { $0.key < $1.key }
  }

  /// Stores all of `timings` or none, replacing what their keys held.
  ///
  /// - Throws: ``TimingStoreError`` where a timing is invalid, the file fails or it was opened for
  ///   reading.
  package func record(
    _ timings: [(key: TimingKey, timing: Timing)]
  ) throws(TimingStoreError) {
    for (key, timing) in timings {
      if let flaw = timing.flaw { throw .invalid(file: path, key: key, reason: flaw) }
    }
    try write { database in
      for (key, timing) in timings { try TimingRecord(key, timing).insert(database) }
    }
  }

  /// Removes the timings that match `filter`, and all answers, and returns how many timings they were.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails or was opened for reading.
  @discardableResult
  package func prune(where filter: TimingFilter) throws(TimingStoreError) -> Int {
    try write { database in
      try database.execute(sql: "DELETE FROM answer")
      return try filter.request.deleteAll(database)
    }
  }

  private func fetch(
    _ request: QueryInterfaceRequest<TimingRecord>
  ) throws(TimingStoreError) -> [(key: TimingKey, timing: Timing)] {
    var entries: [(key: TimingKey, timing: Timing)] = []
    for record in try read({ try request.fetchAll($0) }) ?? [] {
      entries.append(try record.entry(file: path))
    }
    return entries
  }

  /// Runs `fetch` on one state of the file; nil where there is none.
  func read<Result>(
    _ fetch: (Database) throws -> Result
  ) throws(TimingStoreError) -> Result? {
    guard let queue else { return nil }
    do {
      return try queue.read(fetch)
    } catch {
      throw TimingStoreError(error, file: path, while: .reading, patience: patience)
    }
  }

  /// Runs `updates` in one transaction that no other writer comes between.
  func write<Result>(
    _ updates: (Database) throws -> Result
  ) throws(TimingStoreError) -> Result {
    guard let queue, !queue.configuration.readonly else {
      throw .unwritable(file: path, reason: "it was opened for reading")
    }
    do {
      return try queue.write(updates)
    } catch {
      throw TimingStoreError(error, file: path, while: .writing, patience: patience)
    }
  }
}

private typealias Column = TimingRecord.CodingKeys

extension TimingFilter {
  fileprivate var request: QueryInterfaceRequest<TimingRecord> {
    var request = TimingRecord.all()
    if let fingerprint { request = request.filter(Column.fingerprint == fingerprint) }
    if let kernel { request = request.filter(Column.kernel == kernel) }
    if let measuredBefore { request = request.filter(Column.date < measuredBefore) }
    return request
  }
}

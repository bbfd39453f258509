import GRDB

/// The tables of the database and how files of earlier versions become today's.
enum TimingSchema {
  /// Migrations are append-only: files of every version are about. One that is not in this list
  /// marks a file as a newer version's.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 timing") { database in
      try database.execute(
        sql: """
          CREATE TABLE timing (
            kernel TEXT NOT NULL,
            dtype TEXT NOT NULL,
            shape TEXT NOT NULL,
            transposition TEXT NOT NULL,
            backend TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            samples INTEGER NOT NULL CHECK (samples > 0),
            median_ns REAL NOT NULL CHECK (median_ns >= 0),
            spread_ns REAL NOT NULL CHECK (spread_ns >= 0),
            date TEXT NOT NULL,
            version TEXT NOT NULL,
            PRIMARY KEY (fingerprint, backend, kernel, dtype, transposition, shape)
          ) STRICT, WITHOUT ROWID
          """)
    }
    // What a kernel has to do, so that planners can tell times of other sizes from it.
    migrator.registerMigration("2 amount") { database in
      try database.execute(
        sql: """
          ALTER TABLE timing ADD COLUMN elements INTEGER CHECK (elements >= 0);
          ALTER TABLE timing ADD COLUMN flops INTEGER CHECK (flops >= 0);
          """)
    }
    // What searches found, so that an equal one need not search.
    migrator.registerMigration("3 answer") { database in
      try database.execute(
        sql: """
          CREATE TABLE answer (
            key TEXT NOT NULL PRIMARY KEY,
            answer TEXT NOT NULL,
            digest TEXT NOT NULL,
            used INTEGER NOT NULL
          ) STRICT, WITHOUT ROWID
          """)
    }
    return migrator
  }

  /// Whether there is a table of answers: files of earlier versions that are only read have none.
  static func hasAnswers(_ database: Database) throws -> Bool {
    let found = try Int.fetchOne(
      database, sql: "SELECT count(*) FROM sqlite_schema WHERE name = 'answer'")
    return found == 1
  }

  /// What a file holds, as far as we may use it.
  enum State {
    /// No table at all: new, or made by a process that has not come to its tables yet.
    case empty
    /// Tables of ours, of an earlier version unless `isCurrent`.
    case ours(isCurrent: Bool)
    case newer([String])
    case foreign
  }

  /// Looks at the tables in the current transaction without changing anything.
  ///
  /// Other processes may make the tables meanwhile. So it asks SQLite alone: the first query fixes
  /// what the transaction sees, while GRDB would remember for good that a table was missing.
  static func state(_ database: Database) throws -> State {
    let tables = try String.fetchSet(
      database, sql: "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    guard tables.contains("grdb_migrations") else { return tables.isEmpty ? .empty : .foreign }
    let applied = try String.fetchSet(database, sql: "SELECT identifier FROM grdb_migrations")
    if applied.isEmpty { return tables.count == 1 ? .empty : .foreign }
    let known = migrator.migrations
    // Other programs use GRDB, too; a file of ours has our first migration.
    guard let first = known.first, applied.contains(first) else { return .foreign }
    let unknown = applied.subtracting(known)
    return unknown.isEmpty
      ? .ours(isCurrent: applied.count == known.count) : .newer(unknown.sorted())
  }
}

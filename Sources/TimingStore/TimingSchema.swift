internal import GRDB

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
    return migrator
  }

  /// What a file holds, as far as we may use it.
  enum State {
    /// No table at all: new, or made by a process that has not come to its tables yet.
    case empty
    /// Tables of ours, perhaps of an earlier version.
    case ours
    case newer([String])
    case foreign
  }

  /// Looks at the tables without changing anything.
  static func state(_ database: Database) throws -> State {
    let migrator = Self.migrator
    let applied = try migrator.appliedIdentifiers(database)
    let unknown = applied.subtracting(migrator.migrations).sorted()
    // A file of ours has its first migration; other programs use GRDB, too.
    if let first = migrator.migrations.first, applied.contains(first) {
      return unknown.isEmpty ? .ours : .newer(unknown)
    }
    let tables = try Int.fetchOne(
      database,
      sql: "SELECT count(*) FROM sqlite_schema WHERE name <> 'grdb_migrations'"
        + " AND name NOT LIKE 'sqlite_%'")
    return tables == 0 && unknown.isEmpty ? .empty : .foreign
  }
}

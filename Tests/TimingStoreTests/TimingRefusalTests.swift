import Foundation
import GRDB
import PlanIR
import Testing
import TimingStore

@Suite("Files that are no database of ours")
struct TimingRefusalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Opens the database in both ways; each must fail with `exitCode` and leave the file as it is.
  private func expectRefusal(_ text: String, exitCode: Int32 = 65) throws {
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.database))
    for access in [TimingDatabase.Access.readWrite, .readOnly] {
      let error = #expect(throws: TimingStoreError.self) {
        try TimingDatabase(folder.database, access: access).all()
      }
      let description = error?.description ?? ""
      #expect(description.hasPrefix(folder.database + ": ") && description.contains(text))
      #expect(error?.exitCode == exitCode)
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.database)) == before)
  }

  @Test("A text file is refused and kept")
  func notADatabase() throws {
    let text = String(repeating: "my thesis, the only copy\n", count: 100)
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder.database))
    try expectRefusal("file is not a database; move the file away to start afresh")
    #expect(try folder.contents() == ["timings.sqlite"])
  }

  @Test("A database cut in half is refused and kept")
  func damaged() throws {
    do {
      let database = try TimingDatabase(folder.database)
      try database.record((1...500).map { (.sample(shape: [$0]), .sample()) })
    }
    let url = URL(fileURLWithPath: folder.database)
    let whole = try Data(contentsOf: url)
    try whole.prefix(whole.count / 2).write(to: url)
    try expectRefusal("database disk image is malformed")
  }

  @Test("A newer version's database is refused and kept")
  func newer() throws {
    do {
      try TimingDatabase(folder.database).record([(.sample(), .sample())])
      let queue = try DatabaseQueue(path: folder.database)
      try queue.write {
        try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('2 later'), ('3 still later')")
      }
      try queue.close()
    }
    try expectRefusal("found a newer one (2 later, 3 still later); update tpplan")
  }

  @Test("Another program's database is refused and kept")
  func foreign() throws {
    try DatabaseQueue(path: folder.database).write {
      try $0.execute(sql: "CREATE TABLE bookmark (url TEXT)")
    }
    try expectRefusal("another program's database")
  }

  @Test("A row that none of ours could be is told")
  func oddRow() throws {
    let database = try TimingDatabase(folder.database)
    try database.record([(.sample(), .sample())])
    try DatabaseQueue(path: folder.database).write {
      try $0.execute(sql: "UPDATE timing SET shape = '5x?'")
    }
    let error = #expect(throws: TimingStoreError.self) { try database.all() }
    #expect(error == .damaged(file: folder.database, reason: "the shape \"5x?\""))
  }

  @Test("The table refuses what the library never writes")
  func constraints() throws {
    _ = try TimingDatabase(folder.database)
    let queue = try DatabaseQueue(path: folder.database)
    for values in ["'many', 1.0", "1, -1.0", "0, 1.0", "1, NULL"] {
      #expect(throws: DatabaseError.self) {
        try queue.write {
          try $0.execute(
            sql: "INSERT INTO timing VALUES ('k','float32','5','','b','f',\(values),0.0,'d','v')")
        }
      }
    }
  }

  @Test("Reading where there is no file finds nothing and makes nothing")
  func readOnlyMissing() throws {
    let database = try TimingDatabase(folder.path + "/none/t.sqlite", access: .readOnly)
    #expect(try database.all().isEmpty)
    #expect(try database.timing(for: .sample()) == nil)
    #expect(try folder.contents().isEmpty)
    let error = #expect(throws: TimingStoreError.self) { try database.prune(where: .everything) }
    #expect(error?.description.contains("it was opened for reading") == true)
    #expect(error?.exitCode == 74)
  }

  @Test("Opened for reading, timings are found and nothing can be recorded")
  func readOnly() throws {
    try TimingDatabase(folder.database).record([(.sample(), .sample())])
    let database = try TimingDatabase(folder.database, access: .readOnly)
    #expect(try database.timing(for: .sample()) == .sample())
    #expect(throws: TimingStoreError.self) { try database.record([(.sample(), .sample(1))]) }
    #expect(try database.timing(for: .sample()) == .sample())
  }

  @Test("A time that nobody measured is told")
  func oddTime() throws {
    let database = try TimingDatabase(folder.database)
    try database.record([(.sample(), .sample())])
    let odd = [("samples", "9223372036854775807"), ("median_ns", "2e18"), ("spread_ns", "9e999")]
    for (column, value) in odd {
      try DatabaseQueue(path: folder.database).write {
        try $0.execute(sql: "UPDATE timing SET samples = 9, median_ns = 1.0, spread_ns = 1.0")
        try $0.execute(sql: "UPDATE timing SET \(column) = \(value)")
      }
      let error = #expect(throws: TimingStoreError.self) { try database.all() }
      #expect(error?.description.contains("the timing of matmul 512x1024x1024: it") == true)
    }
  }

  @Test("An empty file is a new database")
  func empty() throws {
    try Data().write(to: URL(fileURLWithPath: folder.database))
    #expect(try TimingDatabase(folder.database, access: .readOnly).all().isEmpty)
    try TimingDatabase(folder.database).record([(.sample(), .sample())])
    #expect(try TimingDatabase(folder.database).all().count == 1)
  }

  @Test("A folder in the file's place, and a file in the folder's, are told")
  func folders() throws {
    let folderError = #expect(throws: TimingStoreError.self) { try TimingDatabase(folder.path) }
    #expect(folderError?.exitCode == 74)
    try Data("x".utf8).write(to: URL(fileURLWithPath: folder.database))
    let fileError = #expect(throws: TimingStoreError.self) {
      try TimingDatabase(folder.database + "/t.sqlite")
    }
    #expect(fileError?.exitCode == 74)
  }
}

import Foundation
import GRDB
import PlanIR
import Testing
import TimingStore

@Suite("Databases of earlier versions")
struct TimingMigrationTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file as version 0.1.0 made it, with one product and one other kernel.
  private func makeFirst() throws {
    let queue = try DatabaseQueue(path: folder.database)
    try queue.write { database in
      try database.execute(
        sql: """
          CREATE TABLE timing (
            kernel TEXT NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL,
            transposition TEXT NOT NULL, backend TEXT NOT NULL, fingerprint TEXT NOT NULL,
            samples INTEGER NOT NULL CHECK (samples > 0),
            median_ns REAL NOT NULL CHECK (median_ns >= 0),
            spread_ns REAL NOT NULL CHECK (spread_ns >= 0),
            date TEXT NOT NULL, version TEXT NOT NULL,
            PRIMARY KEY (fingerprint, backend, kernel, dtype, transposition, shape)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
          INSERT INTO grdb_migrations VALUES ('1 timing');
          INSERT INTO timing VALUES
            ('matmul', 'float32', '512x1024x1024', 'NT', 'openblas', 'epyc', 9, 10.5, 0.25,
             '2026-11-23', '0.1.0'),
            ('norm-apply', 'float32', '2x64', '', 'swift', 'epyc', 9, 1.5, 0.25,
             '2026-11-23', '0.1.0');
          """)
    }
    try queue.close()
  }

  @Test("A file of the first version is brought up to date, and keeps what it holds")
  func first() throws {
    try makeFirst()
    let database = try TimingDatabase(folder.database)
    #expect(try database.all().count == 2)
    #expect(try database.timing(for: .sample()) == .sample())
    var timing = Timing.sample()
    timing.amount = KernelAmount(elements: 7, flops: 3)
    try database.record([(.sample("softmax"), timing)])
    #expect(try TimingDatabase(folder.database).timing(for: .sample("softmax")) == timing)
    #expect(try TimingDatabase(folder.database).timing(for: .sample())?.amount == nil)
  }

  @Test("A file of the first version that is only read is left as it is")
  func firstReadOnly() throws {
    try makeFirst()
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.database))
    let all = try TimingDatabase(folder.database, access: .readOnly).all()
    #expect(all.map(\.key.kernel) == ["matmul", "norm-apply"])
    #expect(all[0].timing == .sample())
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.database)) == before)
  }

  @Test("A file of the first version has no answers to find, and keeps some once it is written")
  func answersOfFirst() throws {
    try makeFirst()
    let reader = try TimingDatabase(folder.database, access: .readOnly)
    #expect(try reader.answer(for: "a") == nil)
    #expect(try !reader.isLatestAnswer("a"))
    try TimingDatabase(folder.database).keep(answer: "{}", for: "a")
    #expect(try TimingDatabase(folder.database).answer(for: "a") == "{}")
    #expect(try TimingDatabase(folder.database).all().count == 2)
  }
}

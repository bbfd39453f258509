import GRDB
import PlanIR
import Testing
import TimingStore

@Suite("Answers of searches")
struct TimingAnswerTests {
  private let folder: TemporaryFolder
  private let database: TimingDatabase

  init() throws {
    folder = try TemporaryFolder()
    database = try TimingDatabase(folder.database)
  }

  private func execute(_ sql: String) throws {
    try DatabaseQueue(path: folder.database).write { try $0.execute(sql: sql) }
  }

  @Test("An answer comes back under its key alone, until another takes its place")
  func roundTrip() throws {
    try database.keep(answer: "first", for: "a")
    #expect(try TimingDatabase(folder.database, access: .readOnly).answer(for: "a") == "first")
    #expect(try database.answer(for: "b") == nil)
    try database.keep(answer: "second", for: "a")
    #expect(try database.answer(for: "a") == "second")
  }

  @Test("Answers are no timings")
  func apart() throws {
    try database.record([(.sample(), .sample())])
    try database.keep(answer: "{}", for: "a")
    #expect(try database.all().count == 1)
  }

  @Test("Of more than 256 answers those used last are kept")
  func bound() throws {
    for number in 1...256 { try database.keep(answer: "\(number)", for: "\(number)") }
    #expect(try database.isLatestAnswer("256"))
    try database.noteUse(ofAnswer: "1")
    #expect(try database.isLatestAnswer("1"))
    try database.keep(answer: "257", for: "257")
    #expect(try database.answer(for: "1") == "1")
    #expect(try database.answer(for: "2") == nil)
    #expect(try database.answer(for: "3") == "3")
    #expect(try database.answer(for: "257") == "257")
  }

  @Test(
    "An answer that is not as it was written, or stands under another key, counts as none",
    arguments: ["answer = 'firsT'", "digest = ''", "key = 'b'", "answer = ''"])
  func damaged(_ change: String) throws {
    try database.keep(answer: "first", for: "a")
    try execute("UPDATE answer SET \(change)")
    #expect(try database.answer(for: "a") == nil)
    #expect(try database.answer(for: "b") == nil)
  }

  @Test("Pruning timings, even none, drops all answers and does not count them")
  func pruned() throws {
    try database.record([(.sample(), .sample())])
    try database.keep(answer: "{}", for: "a")
    #expect(try database.prune(where: .kernel("softmax")) == 0)
    #expect(try database.answer(for: "a") == nil)
    #expect(try database.all().count == 1)
  }

  @Test("While another process writes, answers are found, and who wants to keep one gives up")
  func busy() throws {
    try database.keep(answer: "{}", for: "a")
    let impatient = try TimingDatabase(folder.database, patience: 0.05)
    let holder = try DatabaseQueue(path: folder.database)
    try holder.inTransaction(.immediate) { _ throws in
      #expect(try impatient.answer(for: "a") == "{}")
      let error = #expect(throws: TimingStoreError.self) {
        try impatient.keep(answer: "{}", for: "b")
      }
      #expect(error == .locked(file: folder.database, seconds: 0.05))
      return .rollback
    }
    #expect(try database.answer(for: "b") == nil)
  }

  @Test("Sixteen threads may keep and find answers at once")
  func threads() async throws {
    let path = folder.database
    let found = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 1...16 {
        group.addTask {
          let own = try TimingDatabase(path)
          try own.keep(answer: "\(number)", for: "\(number)")
          try own.noteUse(ofAnswer: "\(number)")
          return try own.answer(for: "\(number)") == "\(number)"
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(found == 16)
  }
}

import Foundation
import GRDB
import PlanIR
import Synchronization
import Testing
import TimingStore

@Suite("Several users of one database")
struct TimingConcurrencyTests {
  /// Records `count` timings of `machine` one by one, as a process does that measures.
  private static func measure(_ path: String, machine: String, count: Int) throws {
    let database = try TimingDatabase(path)
    for size in 1...count {
      try database.record([(.sample(shape: [size], on: machine), .sample(Double(size)))])
      _ = try database.timing(for: .sample(shape: [size], on: machine))
    }
  }

  @Test("Two connections see what the other wrote")
  func twoConnections() throws {
    let folder = try TemporaryFolder()
    let one = try TimingDatabase(folder.database)
    let two = try TimingDatabase(folder.database)
    try one.record([(.sample(), .sample(1))])
    #expect(try two.timing(for: .sample()) == .sample(1))
    try two.record([(.sample(), .sample(2))])
    #expect(try one.timing(for: .sample()) == .sample(2))
  }

  @Test("Eight processes that make, migrate and fill one new file at once lose nothing")
  func processes() async throws {
    for round in 1...3 {
      let folder = try TemporaryFolder()
      let path = folder.database
      await withTaskGroup { group in
        for number in 1...8 {
          group.addTask {
            let result = await #expect(
              processExitsWith: .success, observing: [\.standardErrorContent],
              "process \(number)"
            ) { [path = path as String, number = number as Int] in
              // An error that left this closure would end the process without its message.
              do {
                try Self.measure(path, machine: "machine \(number)", count: 25)
              } catch {
                FileHandle.standardError.write(Data("\(error)".utf8))
              }
            }
            let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(message == "", "process \(number)")
          }
        }
      }
      #expect(try TimingDatabase(path).all().count == 200, "round \(round)")
    }
  }

  @Test("Sixteen threads that make, migrate and fill one new file at once lose nothing")
  func threads() throws {
    let folder = try TemporaryFolder()
    let path = folder.database
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 16) { number in
      do {
        try Self.measure(path, machine: "machine \(number)", count: 25)
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    #expect(try TimingDatabase(path).all().count == 400)
  }

  @Test("Threads may share one connection")
  func sharedConnection() throws {
    let folder = try TemporaryFolder()
    let database = try TimingDatabase(folder.database)
    DispatchQueue.concurrentPerform(iterations: 16) { number in
      try? database.record([(.sample(shape: [number]), .sample())])
    }
    #expect(try database.all().count == 16)
  }

  @Test("Readers do not wait for a writer; another writer gives up when its patience ends")
  func locked() throws {
    let folder = try TemporaryFolder()
    let reader = try TimingDatabase(folder.database)
    let impatient = try TimingDatabase(folder.database, patience: 0.05)
    try reader.record([(.sample(), .sample(1))])
    let holder = try DatabaseQueue(path: folder.database)
    try holder.inTransaction(.immediate) { database in
      try database.execute(sql: "UPDATE timing SET median_ns = 2")
      #expect(try reader.timing(for: .sample()) == .sample(1))
      let error = #expect(throws: TimingStoreError.self) {
        try impatient.record([(.sample(), .sample(3))])
      }
      #expect(error == .locked(file: folder.database, seconds: 0.05))
      #expect(error?.exitCode == 74)
      return .rollback
    }
    try impatient.record([(.sample(), .sample(4))])
    #expect(try reader.timing(for: .sample()) == .sample(4))
  }
}

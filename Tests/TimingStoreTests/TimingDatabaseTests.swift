import Formats
import Foundation
import PlanIR
import Testing
import TimingStore

@Suite("Database of timings")
struct TimingDatabaseTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("What is recorded is found again, by key, by machine and in all, in the same bits")
  func roundTrip() throws {
    let keys = [
      TimingKey.sample("norm", shape: []), .sample(), .sample(shape: [9]), .sample(on: "xeon"),
    ]
    let entries = keys.enumerated().map { ($1, Timing.sample(1 / Double($0 + 3))) }
    try TimingDatabase(folder.database).record(entries)
    let database = try TimingDatabase(folder.database)
    for (key, timing) in entries { #expect(try database.timing(for: key) == timing) }
    #expect(try database.timing(for: .sample(shape: [1])) == nil)
    #expect(try database.all().map(\.key) == keys.sorted())
    #expect(try database.timings(fingerprint: "xeon") == [keys[3]: entries[3].1])
    #expect(try database.timings(fingerprint: "epyc").count == 3)
  }

  @Test("A new measurement replaces the old one of its key, and of no other")
  func replaces() throws {
    let database = try TimingDatabase(folder.database)
    try database.record([(.sample(), .sample(1)), (.sample("norm"), .sample(2))])
    try database.record([(.sample(), .sample(3))])
    #expect(try database.all().map(\.timing.medianNanoseconds) == [3, 2])
  }

  @Test("Every part of the key keeps timings apart")
  func keyParts() throws {
    var keys = [TimingKey](repeating: .sample(), count: 7)
    keys[1].kernel = "other"
    keys[2].dtype = .float64
    keys[3].shape = [512, 1024]
    keys[4].transposition = "NN"
    keys[5].backend = "swift"
    keys[6].fingerprint = "other"
    let database = try TimingDatabase(folder.database)
    try database.record(keys.enumerated().map { ($1, .sample(Double($0))) })
    #expect(
      try keys.map { try database.timing(for: $0)?.medianNanoseconds } == (0..<7).map(Double.init))
  }

  @Test(
    "An invalid timing is refused and with it all that came along",
    arguments: [-1, .nan, .infinity, -.infinity] as [Double])
  func invalid(median: Double) throws {
    let database = try TimingDatabase(folder.database)
    let error = #expect(throws: TimingStoreError.self) {
      try database.record([(.sample("norm"), .sample()), (.sample(), .sample(median))])
    }
    #expect(
      error?.description == "\(folder.database): the timing of matmul 512x1024x1024 on openblas "
        + "cannot be stored: its median is \(median) ns; measure it again")
    #expect(error?.exitCode == 65)
    #expect(try database.all().isEmpty)
  }

  @Test("No samples are refused")
  func samples() throws {
    var timing = Timing.sample()
    timing.samples = 0
    let database = try TimingDatabase(folder.database)
    let error = #expect(throws: TimingStoreError.self) {
      try database.record([(.sample(), timing)])
    }
    #expect(error?.description.contains("it has 0 samples") == true)
  }

  @Test("Pruning removes what matches and says how much")
  func prune() throws {
    let database = try TimingDatabase(folder.database)
    try database.record([
      (.sample("norm"), .sample(date: "2026-01-31")), (.sample("norm", on: "xeon"), .sample()),
      (.sample(), .sample(date: "2026-02-01")), (.sample(on: "xeon"), .sample()),
      (.sample("gelu"), .sample()),
    ])
    #expect(try database.prune(where: .measuredBefore("2026-02-01")) == 1)
    #expect(try database.prune(where: .fingerprint("none")) == 0)
    #expect(try database.prune(where: .fingerprint("xeon")) == 2)
    #expect(try database.prune(where: .kernel("gelu")) == 1)
    #expect(try database.all().map(\.key) == [.sample()])
    var none = TimingFilter.kernel("matmul")
    none.fingerprint = "xeon"
    #expect(try database.prune(where: none) == 0)
    #expect(try database.prune(where: .everything) == 1)
    #expect(try database.all().isEmpty)
  }

  @Test("Exported to text and imported elsewhere, the database holds the same")
  func exportImport() throws {
    let database = try TimingDatabase(folder.database)
    try database.record((1...50).map { (.sample(shape: [$0, 3]), .sample(0.1 * Double($0))) })
    let text = TimingsDocument(try database.all()).value.canonicalText
    let copy = try TimingDatabase(folder.path + "/copy.sqlite")
    try copy.record(TimingsDocument(JSONDocument(text: text, file: "t.json")).timings)
    #expect(try copy.timings(fingerprint: "epyc") == database.timings(fingerprint: "epyc"))
    #expect(try copy.all().count == 50)
    #expect(TimingsDocument(try copy.all()).value.canonicalText == text)
  }

  @Test("Missing folders are made, and a path is taken literally")
  func folders() throws {
    let deep = folder.path + "/a/b/timings.sqlite"
    try TimingDatabase(deep).record([(.sample(), .sample())])
    #expect(try TimingDatabase(deep).all().count == 1)
    let error = #expect(throws: TimingStoreError.self) { try TimingDatabase("") }
    #expect(error?.exitCode == 74)
  }

  @Test(
    "The default place is the user's data folder",
    arguments: [
      (["XDG_DATA_HOME": "/data", "HOME": "/home/a"], "/data/tpplan/timings.sqlite"),
      (["XDG_DATA_HOME": "", "HOME": "/home/a"], "/home/a/.local/share/tpplan/timings.sqlite"),
      (["XDG_DATA_HOME": "rel", "HOME": "/home/a"], "/home/a/.local/share/tpplan/timings.sqlite"),
      (["HOME": "/home/a"], "/home/a/.local/share/tpplan/timings.sqlite"),
    ])
  func location(environment: [String: String], path: String) throws {
    #expect(try TimingDatabase.defaultPath(environment: environment) == path)
  }

  @Test("Without a home there is no default place")
  func homeless() {
    let error = #expect(throws: TimingStoreError.homeless) {
      try TimingDatabase.defaultPath(environment: ["HOME": ""])
    }
    #expect(error?.description.contains("name a file with --timings") == true)
  }
}

import ArgumentParser
import Formats
import Foundation
import PlanIR
import TimingStore

/// Looks after the timing database.
struct TimingsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "timings", abstract: "List, export, import or prune measured times.",
    subcommands: [List.self, Export.self, Import.self, Prune.self])

  struct Shared: ParsableArguments {
    @Option(help: "The database (TPPLAN_TIMINGS, or the user's data folder).")
    var timings: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    /// The database; one that is named for anything but to be imported into is there.
    func database(
      _ access: TimingDatabase.Access, isMade: Bool = false
    ) throws -> TimingDatabase {
      if !isMade, let timings, !timings.isEmpty, !FileManager.default.fileExists(atPath: timings) {
        throw FormatError.missing(file: timings)
      }
      return try LocalTimings(path: timings).database(access)
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List measured times.")

    @OptionGroup var shared: Shared

    func run() throws {
      try answering(json: shared.json) {
        let all = try shared.database(.readOnly).all()
        if shared.json {
          return try StandardOutput.print(TimingsDocument(all).value)
        }
        var table = Table(
          ["kernel", "dtype", "shape", "", "backend", "median", "spread", "samples", "date"],
          left: [0, 1, 2, 3, 4])
        for (key, timing) in all {
          table.add([
            key.kernel, key.dtype.rawValue, key.shape.map(String.init).joined(separator: "x"),
            key.transposition, key.backend, Units.seconds(timing.medianNanoseconds * 1e-9),
            Units.seconds(timing.spreadNanoseconds * 1e-9), "\(timing.samples)", timing.date,
          ])
        }
        try StandardOutput.print(table.text)
        let machines = Set(all.map(\.key.fingerprint)).count
        try StandardOutput.print("\(all.count) timings of \(machines) machines")
      }
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all times as tpplan.timings/1, to a file or standard output.")

    @OptionGroup var shared: Shared

    @Argument(help: "The file to write.")
    var file: String?

    func validate() throws {
      let database = try? LocalTimings(path: shared.timings).file()
      var outputs = OutputPaths(
        reading: ["", "-wal", "-shm"].map { part in ("the database", database.map { $0 + part }) })
      try outputs.add("the file to write", file)
    }

    func run() throws {
      try answering(json: shared.json) {
        let all = try shared.database(.readOnly).all()
        let document = TimingsDocument(all).value
        guard let file else { return try StandardOutput.print(document) }
        try AtomicFile.write(document.canonicalText, to: file)
        try report("exported", all.count, json: shared.json)
      }
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take times from a tpplan.timings/1 file, all or none.")

    @OptionGroup var shared: Shared

    @Argument(help: "The file to read.")
    var file: String

    func run() throws {
      try answering(json: shared.json) {
        let timings = try TimingsDocument(JSONDocument(contentsOf: file)).timings
        try shared.database(.readWrite, isMade: true).record(timings)
        try report("imported", timings.count, json: shared.json)
      }
    }
  }

  struct Prune: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove times, those that meet every condition given.")

    @OptionGroup var shared: Shared

    @Option(help: "Of this machine.")
    var fingerprint: String?

    @Option(help: "Of this kernel.")
    var kernel: String?

    @Option(help: "Measured before this day, 2026-01-31.")
    var before: String?

    @Flag(help: "All of them.")
    var all = false

    func validate() throws {
      let conditions = [fingerprint, kernel, before].compactMap(\.self)
      guard all == conditions.isEmpty else {
        throw ValidationError("give --fingerprint, --kernel or --before, or --all alone")
      }
      if let before, !before.isDay {
        throw ValidationError("--before: expected a day, 2026-01-31, found \(before)")
      }
    }

    func run() throws {
      try answering(json: shared.json) {
        var filter = TimingFilter.everything
        filter.fingerprint = fingerprint
        filter.kernel = kernel
        filter.measuredBefore = before
        try report(
          "removed", shared.database(.readWrite).prune(where: filter),
          json: shared.json)
      }
    }
  }
}

/// Prints how many timings a command dealt with.
private func report(_ verb: String, _ count: Int, json: Bool) throws {
  guard json else { return try StandardOutput.print("\(verb) \(count) timings") }
  let document = JSONValue.object([
    JSONMember(key: "schema", value: "tpplan.timings/1"),
    JSONMember(key: verb, value: .integer(count)),
  ])
  try StandardOutput.print(document)
}

import ArgumentParser
import Executor
import Foundation
import Kernels
import PlanIR

/// How much of the machine's matmul rate SUMMA keeps on a mesh of threads.
@main
struct LoneMatmul: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "Benchmarks/run lone-matmul",
    abstract: "The matmul rate of SUMMA's products beside the machine's own.")

  @Option(help: "Rounds over all rows, whose medians are printed.")
  var rounds = 3

  @Option(help: "Seconds of the machine's own products beside each measurement.")
  var seconds = 0.6

  func validate() throws {
    guard rounds > 0, seconds > 0 else { throw ValidationError("rounds and seconds above 0") }
  }

  func run() throws {
    let rows = [2, 4].flatMap { side in
      [MatmulSchedule.gathered, .stepped].map { Row(side: side, matmul: $0) }
    }
    var samples = rows.map { _ in [Sample]() }
    print(heading)
    for _ in 0..<rounds {
      for (index, row) in rows.enumerated() {
        samples[index].append(try row.measure(seconds: seconds))
      }
    }
    print(Row.title)
    var isEnough = true
    for (row, samples) in zip(rows, samples) {
      print(row.line(samples))
      isEnough = isEnough && row.isEnough(samples)
    }
    print("CPU ratio to large at least 87 % gathered, 80 % stepped:", isEnough ? "yes" : "no")
    if !isEnough { throw ExitCode(1) }
  }

  private var heading: String {
    let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "unknown"
    return """
      M \(LonePair.rows), K \(LonePair.inner), N \(LonePair.outer), float32; \
      medians of \(rounds) rounds; OpenBLAS for \(BLASLibrary.core), \(Machine.cores) cores, \
      load average \(load.split(separator: " ").first ?? "unknown")
      """
  }
}

/// One measurement of a row, with what the machine's own products reached beside it.
struct Sample {
  var summa: Rate
  var large: Rate
  var local: Rate
}

/// SUMMA on a square of devices.
struct Row {
  let side: Int
  let matmul: MatmulSchedule

  /// The part of the machine's rate that is wanted.
  private var wanted: Double { matmul == .gathered ? 0.87 : 0.80 }

  /// Measures the pair between two halves of the machine's own products.
  func measure(seconds: Double) throws -> Sample {
    let program = try LonePair.program(side: side, matmul: matmul, repetitions: 1)
    let local = LonePair.products(of: program)
    let before = Machine.rate(of: [MatmulShape.square], seconds: seconds)
    let summa = try rate(one: program)
    let after = Machine.rate(of: [MatmulShape.square], seconds: seconds)
    return Sample(
      summa: summa,
      large: Rate(
        wall: (before.wall + after.wall) / 2, cpu: (before.cpu + after.cpu) / 2),
      local: Machine.rate(of: local, seconds: seconds))
  }

  /// The rate of the pair: what steps with more repetitions take longer than steps with one, so
  /// that loading and all that is done once cancels.
  private func rate(one: Program) throws -> Rate {
    let more = 2
    let many = try LonePair.program(side: side, matmul: matmul, repetitions: 1 + more)
    let (short, long) = (try step(one), try step(many))
    let flops = Double(more) * LonePair.flops
    return Rate(wall: flops / (long.wall - short.wall), cpu: flops / (long.cpu - short.cpu))
  }

  private static let steps = 2

  /// Wall and CPU seconds of a step after the first, which faults memory in.
  private func step(_ program: Program) throws -> (wall: Double, cpu: Double) {
    let first = try spent(program, steps: 1)
    let all = try spent(program, steps: 1 + Self.steps)
    let wall = median(Array(all.result.stepSeconds.dropFirst()))
    return (wall, (all.cpu - first.cpu) / Double(Self.steps))
  }

  /// A run and its CPU seconds.
  private func spent(_ program: Program, steps: Int) throws -> (result: RunResult, cpu: Double) {
    let settings = RunSettings(steps: steps, gathers: false)
    let start = Clocks.process
    let result = try MeshRun.run(
      program, weights: PatternWeights(), batch: LonePair.batch, settings: settings)
    return (result, Clocks.process - start)
  }

  static let title = """
                           GFLOP/s of wall time                GFLOP/s of CPU time
                         SUMMA   large   ratio        SUMMA   large   ratio   local   ratio
    """

  func line(_ samples: [Sample]) -> String {
    func middle(_ value: (Sample) -> Double) -> Double { median(samples.map(value)) }
    func giga(_ value: (Sample) -> Double) -> String { pad(middle(value) * 1e-9, "%.1f") }
    func share(_ value: (Sample) -> Double) -> String { pad(middle(value) * 100, "%.0f %%") }
    let name = "\(side)x\(side) \(matmul.rawValue)"
    return name.padding(toLength: 17, withPad: " ", startingAt: 0)
      + giga(\.summa.wall) + giga(\.large.wall) + share { $0.summa.wall / $0.large.wall }
      + "     " + giga(\.summa.cpu) + giga(\.large.cpu) + share { $0.summa.cpu / $0.large.cpu }
      + giga(\.local.cpu) + share { $0.summa.cpu / $0.local.cpu }
  }

  private func pad(_ value: Double, _ format: String) -> String {
    let text = String(format: format, value)
    return String(repeating: " ", count: max(8 - text.count, 0)) + text
  }

  /// Whether CPU time, which other programs disturb least, is near enough the machine's.
  func isEnough(_ samples: [Sample]) -> Bool {
    median(samples.map { $0.summa.cpu / $0.large.cpu }) >= wanted
  }
}

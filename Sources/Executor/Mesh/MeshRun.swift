import Foundation
import Kernels
package import PlanIR
import Synchronization

/// Runs a program on a mesh of threads, one a device, each with its own memory.
package struct MeshRun {
  let program: Program
  let weights: any WeightSource
  let batch: HostBatch
  let settings: RunSettings

  /// Runs `program` on data and weights; one device's failure, or a deadlock, ends all.
  package static func run(
    _ program: Program, weights: any WeightSource, batch: HostBatch, settings: RunSettings
  ) throws(RunError) -> RunResult {
    try MeshRun(program: program, weights: weights, batch: batch, settings: settings).run()
  }

  private func run() throws(RunError) -> RunResult {
    try batch.verify(vocabulary: program.vocabulary, sequence: program.sequence)
    do throws(KernelError) { try SelfCheck.run() } catch { throw .miscomputes("\(error)") }
    let devices = program.mesh.deviceCount
    BLASLibrary.setThreads(max(1, ProcessInfo.processInfo.activeProcessorCount / devices))
    let compiled = CompiledProgram(program, dtype: settings.dtype)
    let fabric = Fabric(mesh: program.mesh, over: compiled.axesLists)
    let progress = Progress(program)
    let gatherer = settings.gathers ? Gatherer() : nil
    let outcomes = Outcomes(devices: devices)
    for device in 0..<devices {
      start(device, compiled, fabric, progress, gatherer, outcomes)
    }
    watch(progress, fabric)
    if let failure = progress.failure { throw failure }
    return result(outcomes.all, fabric, gatherer)
  }

  private func start(
    _ device: Int, _ compiled: CompiledProgram, _ fabric: Fabric, _ progress: Progress,
    _ gatherer: Gatherer?, _ outcomes: Outcomes
  ) {
    let (batch, weights, settings) = (batch, weights, settings)
    let thread = Thread {
      var failure: RunError?
      do {
        let runner = try DeviceRunner(
          compiled, device: device, fabric: fabric, progress: progress, gatherer: gatherer,
          batch: batch, settings: settings)
        try runner.run(weights: weights)
        outcomes.set(Outcome(runner), device)
      } catch let error as RunError {
        failure = error
      } catch {
        failure = .deviceFailed(device: device, step: "loading weights", reason: "\(error)")
      }
      progress.finish(device, failure: failure)
      if failure != nil { fabric.stop() }
    }
    thread.stackSize = 4 << 20
    thread.name = "device \(device)"
    thread.start()
  }

  /// Waits for all devices; where each waits for another and nothing has changed between two
  /// looks, ends the run with an error that names where each waits.
  private func watch(_ progress: Progress, _ fabric: Fabric) {
    var last = -1
    var still = 0
    var pause = 0.000_2
    while !progress.isDone {
      Thread.sleep(forTimeInterval: pause)
      pause = min(pause * 1.5, 0.05)
      let (changes, waiting) = progress.standstill
      still = changes == last && waiting != nil ? still + 1 : 0
      last = changes
      if still >= Self.looksBeforeDeadlock, let waiting {
        progress.fail(.deadlock(waiting: waiting))
        fabric.stop()
      }
    }
  }

  /// Looks, 50 ms apart, at an unchanged standstill that make a deadlock: long enough for a woken
  /// thread to get a core on a busy machine.
  private static let looksBeforeDeadlock = 60

  private func result(
    _ outcomes: [Outcome], _ fabric: Fabric, _ gatherer: Gatherer?
  ) -> RunResult {
    var result = RunResult()
    // The last stage alone computes the loss.
    result.losses = outcomes[program.mesh.peer(of: 0, on: program.stages.count - 1)].losses
    result.stepSeconds = (0..<settings.steps).map { step in
      outcomes.map { $0.stepSeconds[step] }.max() ?? 0
    }
    result.peakPlanned = outcomes.map(\.peakPlanned)
    result.peakExecuted = outcomes.map(\.peakExecuted)
    result.leaked = outcomes.map(\.leaked)
    result.tensors = gatherer?.all ?? [:]
    for outcome in outcomes {
      result.kernelTimes.merge(outcome.kernelTimes) { $0 + $1 }
      for (part, time) in outcome.parts {
        result.parts[part, default: PartTime()].add(time.count, time.seconds)
      }
    }
    result.calls = calls(outcomes)
    result.traffic = traffic(fabric)
    return result
  }

  /// The calls of each device's last step, counted from the earliest.
  private func calls(_ outcomes: [Outcome]) -> [[RunResult.CallSpan]] {
    guard settings.recordsCalls else { return [] }
    let first = outcomes.compactMap { $0.calls.first?.start }.min() ?? 0
    return outcomes.map { outcome in
      outcome.calls.map { call, start, end in
        RunResult.CallSpan(
          call: call, startSeconds: Double(start - first) * 1e-9,
          seconds: Double(end - start) * 1e-9)
      }
    }
  }

  private func traffic(_ fabric: Fabric) -> [RunResult.Traffic] {
    let totals = fabric.totals
    let keys = totals.keys.sorted { left, right in
      left.axes == right.axes
        ? left.collective < right.collective : left.axes.lexicographicallyPrecedes(right.axes)
    }
    return keys.map { key in
      RunResult.Traffic(
        axis: program.mesh.name(of: key.axes), collective: key.collective,
        bytes: (totals[key] ?? 0) / max(settings.steps, 1))
    }
  }
}

/// What a device leaves behind.
private struct Outcome: Sendable {
  let losses: [Double]
  let stepSeconds: [Double]
  let peakPlanned: Int
  let peakExecuted: Int
  let leaked: Int
  let kernelTimes: [KernelIdentity: [Double]]
  let parts: [ProgramPart: PartTime]
  let calls: [(call: Call, start: UInt64, end: UInt64)]

  init(_ runner: DeviceRunner) {
    losses = runner.losses
    stepSeconds = runner.stepSeconds
    peakPlanned = runner.state.planned.peak
    peakExecuted = runner.state.executed.peak
    leaked = runner.leaked
    kernelTimes = runner.kernelTimes
    parts = runner.parts.times
    calls = runner.calls
  }
}

/// Collects outcomes from device threads.
private final class Outcomes: Sendable {
  private let values: Mutex<[Outcome?]>

  init(devices: Int) { values = Mutex(Array(repeating: nil, count: devices)) }

  func set(_ outcome: Outcome, _ device: Int) { values.withLock { $0[device] = outcome } }

  var all: [Outcome] { values.withLock { $0.compactMap(\.self) } }
}

import Executor
import Formats
import Partitioner
import PlanIR

/// Predicted and measured timelines of a plan, one track a device: group 0 what the plan's cluster would
/// take, group 1 what the last step of the run took.
enum TraceEvents {
  static let processes = ["predicted", "measured"]

  /// `timings` are those that the plan is priced by.
  static func text(
    _ program: Program, _ plan: Plan, _ run: RunResult, timings: TimingTable
  ) -> String {
    TraceFile.text(
      predicted(program, plan, timings) + measured(program, run), processes: processes)
  }

  private static func predicted(
    _ program: Program, _ plan: Plan, _ timings: TimingTable
  ) -> [TraceFile.Event] {
    let clock = ProgramClock(
      program, schedule: plan.choices.schedule, cost: ClusterCost(plan, timings: timings))
    return (0..<program.mesh.deviceCount).flatMap { device in
      let stage = program.mesh.stage(of: device)
      return zip(program.stages[stage].calls, clock.spans[stage]).map { call, span in
        event(
          call, program, process: 0, device, span.start.seconds,
          span.end.seconds - span.start.seconds)
      }
    }
  }

  private static func measured(_ program: Program, _ run: RunResult) -> [TraceFile.Event] {
    run.calls.enumerated().flatMap { device, spans in
      spans.map { span in
        event(span.call, program, process: 1, device, span.startSeconds, span.seconds)
      }
    }
  }

  private static func event(
    _ call: Call, _ program: Program, process: Int, _ device: Int, _ start: Double,
    _ seconds: Double
  ) -> TraceFile.Event {
    TraceFile.Event(
      name: program.bodies[call.body].name, category: call.phase.rawValue, process: process,
      track: device, startSeconds: start, seconds: seconds,
      details: [
        ("layer", call.position.layer), ("micro_batch", call.microBatch), ("chunk", call.chunk),
        ("stage", program.mesh.stage(of: device)),
      ])
  }
}

extension ClusterCost {
  /// The costs of `plan` where `timings` were measured.
  init(_ plan: Plan, timings: TimingTable) {
    self.init(
      cluster: plan.cluster, precision: plan.workload.precision, mesh: plan.choices.mesh,
      placement: plan.choices.placement, timings: timings)
  }
}

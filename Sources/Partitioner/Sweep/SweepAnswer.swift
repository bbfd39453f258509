import PlanIR

/// The best plan of each of several device counts.
package struct SweepAnswer: Sendable {
  /// By device count, ascending.
  package let rows: [Row]
  /// Through the counts at which a plan fits.
  package let curve: ScalingCurve

  /// One device count.
  package struct Row: Sendable {
    package let devices: Int
    /// The best plan; nil where nothing fits.
    package let best: Best?
    /// Why nothing fits; empty where something does.
    package let reasons: [ConstraintViolation]
    /// Where nothing fits, the plan that needs least memory.
    package let nearest: RankedPlan?
  }

  /// The best plan of a device count.
  package struct Best: Sendable {
    package let plan: RankedPlan
    package let scaling: ScalingCurve.Point
    /// Tokens of a step over its seconds.
    package let tokensPerSecond: Double
    /// Hours of a device that 10^9 tokens cost, summed over all devices.
    package let deviceHoursPerBillionTokens: Double
  }

  /// The rows of searches on ascending device counts, of steps of `tokens` tokens.
  package init(_ answers: [(devices: Int, answer: SearchAnswer)], tokens: Int) {
    let curve = ScalingCurve(
      answers.compactMap { devices, answer in
        answer.plans.first.map { (devices, $0.predicted.step) }
      })
    self.curve = curve
    rows = answers.map { devices, answer in
      let point = curve.points.first { $0.devices == devices }
      let best = answer.plans.first.flatMap { plan in
        point.map { Best(plan, $0, tokens: tokens) }
      }
      return Row(
        devices: devices, best: best, reasons: best == nil ? answer.reasons : [],
        nearest: best == nil ? answer.nearest : nil)
    }
  }

  /// Whether a plan fits at any count.
  package var fits: Bool { rows.contains { $0.best != nil } }
}

extension SweepAnswer.Best {
  fileprivate init(_ plan: RankedPlan, _ scaling: ScalingCurve.Point, tokens: Int) {
    self.plan = plan
    self.scaling = scaling
    let seconds = scaling.step.seconds
    tokensPerSecond = seconds > 0 ? Double(tokens) / seconds : 0
    let deviceHours = seconds * Double(scaling.devices) / 3600
    deviceHoursPerBillionTokens = tokens > 0 ? deviceHours / Double(tokens) * 1e9 : 0
  }
}

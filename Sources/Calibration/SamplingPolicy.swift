/// How often a kernel is run, each time it is come to, before its time is believed.
///
/// Runs shorter than ``minimumSampleSeconds`` are timed in batches, so that reading the clock
/// (under a microsecond) does not count: a 10 us kernel is sampled 20 runs at a time, and a sample
/// is the batch's time over 20.
package struct SamplingPolicy: Hashable, Sendable {
  /// Samples to take each time where no time bound forbids it.
  package var minimumSamples: Int
  /// Samples that are never exceeded at a time.
  package var maximumSamples: Int
  /// The shortest time that is measured as one sample, in seconds.
  package var minimumSampleSeconds: Double
  /// Sampling ends when this much is measured, in seconds, and samples suffice.
  package var enoughSeconds: Double
  /// The longest that one kernel may be measured for at a time, warm-up included, in seconds of the wall
  /// clock; a run that has begun is not interrupted.
  package var limitSeconds: Double
  /// How often what was measured is come back to at most, the first time counted, while there is time:
  /// a machine is not equally fast at all times, and a kernel's samples are then of several.
  package var passes: Int

  package init(
    minimumSamples: Int = 5, maximumSamples: Int = 51, minimumSampleSeconds: Double = 2e-4,
    enoughSeconds: Double = 0.1, limitSeconds: Double = 5, passes: Int = 1
  ) {
    self.minimumSamples = minimumSamples
    self.maximumSamples = maximumSamples
    self.minimumSampleSeconds = minimumSampleSeconds
    self.enoughSeconds = enoughSeconds
    self.limitSeconds = limitSeconds
    self.passes = passes
  }

  /// Runs in a batch that are never exceeded, should a clock stand still.
  private static let maximumRepetitions = 1 << 20

  /// Warms a kernel up, unless it is known how many runs make a sample, and samples it.
  ///
  /// - Parameters:
  ///   - known: Runs that make a sample, from an earlier time; nil the first time.
  ///   - isOver: Whether the time for this kernel is used up; asked between samples.
  ///   - seconds: Runs the kernel as often as it is told and returns the seconds that took.
  /// - Returns: Seconds of one run, a number a sample, and how many runs made one; never empty: where time is
  ///   over after the warm-up, that is the only sample.
  package func samples(
    of known: Int? = nil, until isOver: () -> Bool,
    timing seconds: (_ repetitions: Int) throws -> Double
  ) rethrows -> (samples: [Double], repetitions: Int) {
    let (repetitions, warmUp) =
      try known.map { ($0, try seconds($0)) } ?? warmUp(until: isOver, timing: seconds)
    var samples: [Double] = []
    var total = 0.0
    while samples.count < minimumSamples || total < enoughSeconds {
      guard samples.count < maximumSamples, !isOver() else { break }
      let sample = try seconds(repetitions)
      total += sample
      samples.append(sample / Double(repetitions))
    }
    return (samples.isEmpty ? [warmUp / Double(repetitions)] : samples, repetitions)
  }

  /// Runs the kernel until a batch is long enough to be a sample; returns the batch's runs and the
  /// seconds they took.
  private func warmUp(
    until isOver: () -> Bool, timing seconds: (_ repetitions: Int) throws -> Double
  ) rethrows -> (repetitions: Int, seconds: Double) {
    var repetitions = 1
    var measured = try seconds(1)
    // The first run of all can take many times longer than the next: it must not fix the batch.
    if measured < 10 * minimumSampleSeconds { measured = try seconds(1) }
    while measured < minimumSampleSeconds, repetitions < Self.maximumRepetitions, !isOver() {
      let wanted = minimumSampleSeconds / max(measured, 1e-9) * Double(repetitions)
      repetitions = min(
        max(2 * repetitions, Int(wanted.rounded(.up))), Self.maximumRepetitions)
      measured = try seconds(repetitions)
    }
    return (repetitions, measured)
  }
}

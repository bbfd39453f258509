import Calibration
import Testing

@Suite("How often a kernel is run")
struct SamplingPolicyTests {
  /// The samples of a kernel that takes `run` seconds, and the batches that it was run in.
  private func sample(
    _ policy: SamplingPolicy, of repetitions: Int? = nil, run: Double, first: Double = 0,
    limit: Double = .infinity
  ) -> (samples: [Double], batches: [Int]) {
    var batches: [Int] = []
    var spent = 0.0
    let samples = policy.samples(of: repetitions, until: { spent >= limit }) { repetitions in
      let seconds = run * Double(repetitions) + (batches.isEmpty ? first : 0)
      batches.append(repetitions)
      spent += seconds
      return seconds
    }
    return (samples.samples, batches)
  }

  @Test("A short kernel is timed in batches, and a sample is the time of one run")
  func batches() throws {
    let (samples, batches) = sample(
      SamplingPolicy(minimumSamples: 5, minimumSampleSeconds: 2e-4, enoughSeconds: 1e-2), run: 1e-5)
    #expect(try #require(batches.last) >= 20)
    #expect(samples.count >= 5)
    #expect(samples.allSatisfy { abs($0 - 1e-5) < 1e-12 }, "\(samples)")
  }

  @Test("A first run that takes long does not shrink the batches")
  func slowStart() throws {
    let (_, batches) = sample(
      SamplingPolicy(minimumSampleSeconds: 2e-4), run: 1e-6, first: 1e-3)
    #expect(try #require(batches.last) >= 200, "\(batches)")
  }

  @Test("A long kernel gets its five samples although one was enough time")
  func long() {
    let (samples, batches) = sample(SamplingPolicy(enoughSeconds: 0.1), run: 0.5)
    #expect(samples.count == 5)
    #expect(batches.allSatisfy { $0 == 1 })
  }

  @Test("The time bound ends the sampling, and the warm-up counts where it is all there is")
  func bound() {
    #expect(sample(SamplingPolicy(), run: 1, limit: 3.5).samples.count == 3)
    #expect(sample(SamplingPolicy(), run: 60, limit: 5).samples == [60])
  }

  @Test("Samples never exceed their bound, though a kernel takes no time by the clock")
  func stillClock() {
    let (samples, _) = sample(SamplingPolicy(maximumSamples: 7), run: 0)
    #expect(samples == [0, 0, 0, 0, 0, 0, 0])
  }

  @Test("A kernel whose batches are known is warmed up by one of them")
  func known() {
    let policy = SamplingPolicy(minimumSamples: 3, minimumSampleSeconds: 2e-4, enoughSeconds: 0)
    let (samples, batches) = sample(policy, of: 20, run: 1e-5, first: 1)
    #expect(batches == [20, 20, 20, 20] && samples.allSatisfy { $0 < 1e-4 })
  }
}

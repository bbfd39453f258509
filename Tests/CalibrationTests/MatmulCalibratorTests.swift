import Calibration
import Kernels
import PlanIR
import Synchronization
import Testing

/// Serialized: calibrations wait for each other anyway, and each holds its own memory.
@Suite("Measuring products", .serialized)
struct MatmulCalibratorTests {
  private struct Interrupted: Error {}

  private let calibrator = Calibrator(origin: .sample, policy: .quick)
  private let sizes = [8, 16, 24, 32, 40].compactMap { MatmulProduct(m: $0, n: $0, k: $0) }

  private func tasks(_ products: some Sequence<MatmulProduct>) -> [CalibrationTask] {
    products.map { .product($0) }
  }

  private func keys(_ products: some Sequence<MatmulProduct>) -> [TimingKey] {
    products.map { $0.key(fingerprint: calibrator.fingerprint) }
  }

  /// Timings of four samples at 2 s.
  private func known(_ products: some Sequence<MatmulProduct>) throws -> [TimingKey: Timing] {
    let timing = try #require(Timing(seconds: [2, 2, 2, 2], origin: .sample))
    return Dictionary(uniqueKeysWithValues: keys(products).map { ($0, timing) })
  }

  @Test(
    "A product of 512 times the work takes at least 16 times longer",
    arguments: [
      DType.float32, .float64,
    ])
  func grows(dtype: DType) throws {
    let small = try calibrator.measure(.cube(32, dtype))
    let large = try calibrator.measure(.cube(256, dtype))
    #expect(small.samples >= 5 && large.samples >= 5)
    #expect(small.medianNanoseconds > 0)
    #expect(
      large.medianNanoseconds > 16 * small.medianNanoseconds, "32: \(small), 256: \(large)")
  }

  @Test(
    "Every orientation of an oblong product is measured",
    arguments: MatmulProduct.Transposition.allCases)
  func orientations(transposition: MatmulProduct.Transposition) throws {
    let product = try #require(
      MatmulProduct(m: 3, n: 70, k: 129, transposition: transposition, dtype: .float64))
    #expect(try calibrator.measure(product).medianNanoseconds > 0)
  }

  @Test("Each timing is stored on its own, in order, under its key")
  func stores() throws {
    let sink = RecordingSink()
    var told: [[Int]] = []
    let outcome = try calibrator.calibrate(tasks(sizes + sizes), budget: 60, into: sink) {
      told.append([$0.done, $0.total])
    }
    #expect(sink.keys == keys(sizes).map { [$0] })
    #expect(outcome.measured.map(\.key) == keys(sizes))
    #expect(told == [[1, 5], [2, 5], [3, 5], [4, 5], [5, 5]])
    #expect(outcome.left.isEmpty && outcome.skipped == 0)
  }

  @Test("What is stored already is not measured again")
  func skips() throws {
    let sink = RecordingSink()
    let outcome = try calibrator.calibrate(
      tasks(sizes), budget: 60, known: try known(sizes[1...3]), into: sink)
    #expect(sink.keys == keys([sizes[0], sizes[4]]).map { [$0] })
    #expect(outcome.skipped == 3)
  }

  @Test("What is known is measured again where that is asked for, and samples are added to it")
  func again() throws {
    let sink = RecordingSink()
    let outcome = try calibrator.calibrate(
      tasks(sizes), budget: 60, known: try known(sizes[1...3]), again: true, into: sink)
    #expect(outcome.skipped == 0 && outcome.measured.map(\.key) == keys(sizes))
    let alone = try #require(sink.known[keys(sizes)[0]])
    let joined = try #require(sink.known[keys(sizes)[1]])
    #expect(joined.samples > 4 && alone.samples < joined.samples)
    // Four samples at 2 s, and at most nine that take next to nothing.
    #expect((0.6e9...1.0e9).contains(joined.medianNanoseconds), "\(joined)")
  }

  @Test("What was measured is come back to as often as the policy says")
  func passes() throws {
    var policy = SamplingPolicy.quick
    policy.passes = 3
    let sink = RecordingSink()
    var told: [[Int]] = []
    let outcome = try Calibrator(origin: .sample, policy: policy).calibrate(
      tasks(sizes[..<2]), budget: 60, into: sink
    ) {
      told.append([$0.pass, $0.done, $0.total])
    }
    #expect(sink.keys == (0..<3).flatMap { _ in keys(sizes[..<2]).map { [$0] } })
    #expect(told == [[1, 1, 2], [1, 2, 2], [2, 1, 2], [2, 2, 2], [3, 1, 2], [3, 2, 2]])
    #expect(outcome.measured.map(\.key) == keys(sizes[..<2]))
    #expect(outcome.measured.map(\.timing) == sink.timings.suffix(2).flatMap(\.self))
    let samples = stride(from: 0, to: 6, by: 2).map { sink.timings[$0][0].samples }
    #expect(samples[0] >= 5 && samples[1] >= samples[0] + 5 && samples[2] >= samples[1] + 5)
  }

  @Test("A machine that is three times slower from the second pass on has a median between")
  func drift() throws {
    var policy = SamplingPolicy(
      minimumSamples: 4, maximumSamples: 4, minimumSampleSeconds: 1e-9, enoughSeconds: 0)
    policy.passes = 2
    let speed = Mutex((step: 1.0, now: 0.0))
    let clock = CalibrationClock(wall: { 0 }) {
      speed.withLock { speed in
        speed.now += speed.step
        return speed.now
      }
    }
    let sink = RecordingSink()
    _ = try Calibrator(origin: .sample, policy: policy, clock: clock).calibrate(
      tasks(sizes[..<1]), budget: 60, into: sink
    ) { _ in
      speed.withLock { $0.step = 3 }
    }
    #expect(sink.timings.map { $0[0].medianNanoseconds } == [1e9, 2e9])
    #expect(sink.timings.map { $0[0].samples } == [4, 8])
  }

  @Test("The budget's end ends the passes, and what was measured once is not left")
  func passesEnd() throws {
    let hand = HandClock()
    var policy = SamplingPolicy.quick
    policy.passes = 9
    let sink = RecordingSink()
    let outcome = try Calibrator(origin: .sample, policy: policy, clock: hand.clock).calibrate(
      tasks(sizes), budget: 65, into: sink
    ) { _ in
      hand.advance(10)
    }
    #expect(outcome.measured.count == 5 && outcome.left.isEmpty)
    #expect(sink.keys == keys(sizes).map { [$0] } + keys(sizes[..<2]).map { [$0] })
  }

  @Test("The budget's end leaves the rest, which a second calibration measures")
  func budget() throws {
    let hand = HandClock()
    let calibrator = Calibrator(origin: .sample, policy: .quick, clock: hand.clock)
    let sink = RecordingSink()
    let first = try calibrator.calibrate(tasks(sizes), budget: 25, into: sink) { _ in
      hand.advance(10)
    }
    #expect(first.measured.map(\.key) == keys(sizes[..<3]))
    #expect(first.left == keys(sizes[3...]))
    let second = try calibrator.calibrate(
      tasks(sizes), budget: 25, known: sink.known, into: sink)
    #expect(second.measured.map(\.key) == keys(sizes[3...]))
    #expect(second.left.isEmpty)
  }

  @Test("A product that would outlast the budget is left, and a smaller one after it measured")
  func foresight() throws {
    let sink = RecordingSink()
    let long = try MatmulProduct.cube(100_000)
    let roomy = Calibrator(origin: .sample, policy: .quick, memoryLimit: .max)
    let outcome = try roomy.calibrate(tasks([long, sizes[0]]), budget: 1, into: sink)
    #expect(outcome.left == keys([long]))
    #expect(sink.keys == [keys([sizes[0]])])
  }

  @Test("A product that exceeds the memory limit is named and takes no memory")
  func memory() throws {
    let sink = RecordingSink()
    let small = Calibrator(origin: .sample, policy: .quick, memoryLimit: 4 * 3 * 64)
    let outcome = try small.calibrate(tasks(sizes[0...1]), budget: 60, into: sink)
    #expect(outcome.tooLarge == keys([sizes[1]]))
    #expect(sink.keys == [keys([sizes[0]])])
  }

  @Test("An error midway keeps what is measured")
  func interrupted() throws {
    let sink = RecordingSink()
    #expect(throws: Interrupted.self) {
      try calibrator.calibrate(tasks(sizes), budget: 60, into: sink) { step in
        if step.done == 3 { throw Interrupted() }
      }
    }
    #expect(sink.keys == keys(sizes[..<3]).map { [$0] })
  }

  @Test("BLAS has one thread meanwhile, and its own number again after an error")
  func threads() async {
    // In a process of its own: other tests set the number, too.
    await #expect(processExitsWith: .success) {
      BLASLibrary.setThreads(2)
      let calibrator = Calibrator(origin: .sample, policy: .quick)
      var during = 0
      #expect(throws: Interrupted.self) {
        try calibrator.calibrate(
          [.product(.cube(8))], budget: 60, into: RecordingSink()
        ) { _ in
          during = BLASLibrary.threads
          throw Interrupted()
        }
      }
      precondition(during == 1, "one thread while measuring, not \(during)")
      precondition(BLASLibrary.threads == 2, "two threads after, not \(BLASLibrary.threads)")
    }
  }

  @Test("What BLAS may use several threads for is measured so, and kept as another machine's")
  func severalThreads() async {
    await #expect(processExitsWith: .success) {
      BLASLibrary.setThreads(1)
      let calibrator = Calibrator(origin: .sample, policy: .quick)
      let sink = RecordingSink()
      var during: [Int] = []
      let product = try MatmulProduct.cube(8)
      _ = try calibrator.calibrate(
        [.product(product), .product(product, threads: 2)], budget: 60, into: sink
      ) { _ in
        during.append(BLASLibrary.threads)
      }
      let texts = [1, 2].map { calibrator.machine.using(threads: $0).text }
      precondition(sink.keys == texts.map { [product.key(fingerprint: $0)] })
      precondition(during == [1, 2] && BLASLibrary.threads == 1, "\(during)")
    }
  }

  @Test("A sink that fails ends the calibration")
  func failingSink() {
    #expect(throws: FailingSink.Full.self) {
      try calibrator.calibrate(tasks(sizes), budget: 60, into: FailingSink())
    }
  }

  @Test("Extents and types that BLAS does not take are no products")
  func refusals() {
    #expect(MatmulProduct(m: 0, n: 1, k: 1) == nil)
    #expect(MatmulProduct(m: 1, n: -1, k: 1) == nil)
    #expect(MatmulProduct(m: 1, n: 1, k: 1 << 31) == nil)
    #expect(MatmulProduct(m: 1, n: 1, k: 1, dtype: .bfloat16) == nil)
  }
}

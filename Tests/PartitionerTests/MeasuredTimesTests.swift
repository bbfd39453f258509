import Foundation
import Partitioner
import PlanIR
import Testing

@Suite struct MeasuredTimesTests {
  private func place(_ size: Int) -> SIMD4<Double> { MeasuredTimes.place(size, 1) }

  @Test func `what was measured is told as it was, and nothing where nothing was`() {
    var times = MeasuredTimes()
    #expect(times.figure(at: place(4), reference: 1) == nil)
    for size in [4, 8, 32] { times.record(place(size), seconds: Double(size) * 0.1, reference: 7) }
    for size in [4, 8, 32] {
      #expect(
        times.figure(at: place(size), reference: 7)
          == MeasuredFigure(seconds: Double(size) * 0.1, source: .measured))
    }
  }

  @Test func `a time that is a multiple of its reference everywhere is so between and beyond`()
    throws
  {
    var times = MeasuredTimes()
    for size in [4, 8, 32, 512, 1024] {
      times.record(place(size), seconds: 3 * Double(size), reference: Double(size))
    }
    for size in [1, 5, 100, 1 << 30] {
      let figure = try #require(times.figure(at: place(size), reference: Double(size)))
      #expect(abs(figure.seconds / (3 * Double(size)) - 1) < 1e-12)
      #expect(figure.source == .interpolated)
    }
  }

  @Test func `a time between others is as uncertain as these are when told by each other`() throws {
    var times = MeasuredTimes()
    times.record(place(4), seconds: 1, reference: 1)
    #expect(times.uncertainty(at: place(8)) == nil)
    times.record(place(16), seconds: 1, reference: 1)
    #expect(times.uncertainty(at: place(8)) == 0)
    times.record(place(64), seconds: 2, reference: 1)
    // 64 would be 1 and is 2, the others are told too long by it.
    let uncertainty = try #require(times.uncertainty(at: place(8)))
    let (four, sixteen) = (pow(2, 0.2) - 1, pow(2, 0.5) - 1)
    #expect(abs(uncertainty - (four + sixteen + 0.5) / 3) < 1e-12)
    // Far from it only what is near counts.
    for size in [1 << 20, 1 << 21, 1 << 22, 1 << 23] {
      times.record(place(size), seconds: 1, reference: 1)
    }
    #expect(try #require(times.uncertainty(at: place(3 << 20))) < 0.03)
  }

  @Test func `a sum is as uncertain as its parts together, and not told where one is not`() {
    var time = SourcedTime()
    time.add(Picoseconds(100), FigureBasis(.interpolated, uncertainty: 0.1))
    time.add(Picoseconds(300), FigureBasis(.interpolated, uncertainty: 0.3))
    time.add(Picoseconds(50), FigureBasis(.measured))
    var sum = SourcedTime()
    sum.add(time, times: 3)
    #expect(abs((sum.uncertainty(of: .interpolated) ?? 0) - 0.25) < 1e-12)
    #expect(sum.uncertainty(of: .measured) == nil && sum.uncertainty(of: .modelled) == nil)
    sum.add(Picoseconds(1), FigureBasis(.interpolated))
    #expect(sum.uncertainty(of: .interpolated) == nil)
  }

  @Test func `no time is a smaller multiple than the smallest or a larger than the largest`() throws
  {
    let seed = UInt64.random(in: 0...UInt64.max)
    let generator = CounterGenerator(seed: seed, name: "times")
    var times = MeasuredTimes()
    for index in 0..<40 {
      let at = UInt64(index * 3)
      let size = MeasuredTimes.place(
        1 + generator.integer(below: 4096, at: at), 1 + generator.integer(below: 99, at: at + 1))
      times.record(size, seconds: 0.5 + generator.uniform(at: at + 2), reference: 1)
    }
    for index in 0..<200 {
      let at = UInt64(1000 + index * 2)
      let size = MeasuredTimes.place(
        1 + generator.integer(below: 8192, at: at), 1 + generator.integer(below: 99, at: at + 1))
      let figure = try #require(times.figure(at: size, reference: 1), "seed \(seed)")
      #expect((0.5..<1.5).contains(figure.seconds), "seed \(seed)")
    }
  }

  @Test
  func `the order in which times were noted does not matter, and equal places have their mean`()
    throws
  {
    let measured = (1...30).map { (place($0 * 7), 0.5 + Double($0 * 13 % 17)) }
    var (forward, back) = (MeasuredTimes(), MeasuredTimes())
    for (place, seconds) in measured { forward.record(place, seconds: seconds, reference: 1) }
    for (place, seconds) in measured.reversed() {
      back.record(place, seconds: seconds, reference: 1)
    }
    for size in [1, 10, 33, 700] {
      #expect(
        forward.figure(at: place(size), reference: 1)
          == back.figure(at: place(size), reference: 1))
    }
    forward.record(place(7), seconds: measured[0].1 + 3, reference: 1)
    let mean = try #require(forward.figure(at: place(7), reference: 1)).seconds
    #expect(abs(mean - measured[0].1 - 1.5) < 1e-12)
    forward.record(place(7), seconds: 9, reference: 1, replaces: true)
    #expect(forward.figure(at: place(7), reference: 1)?.seconds == 9)
  }

  @Test func `products of an orientation that was not measured follow from the others`() throws {
    var table = TimingTable()
    table.record(.init(m: 64, n: 64, k: 64, transposition: "NN"), seconds: 1)
    func figure(m: Int, _ transposition: String) -> MeasuredFigure? {
      table.figure(of: .init(m: m, n: 64, k: 64, transposition: transposition))
    }
    #expect(figure(m: 64, "NN") == MeasuredFigure(seconds: 1, source: .measured))
    #expect(figure(m: 64, "NT") == MeasuredFigure(seconds: 1, source: .interpolated))
    #expect((1.1...2).contains(try #require(figure(m: 128, "NT")).seconds))
  }

  @Test func `a pipeline's messages and the meeting of its ends follow from what is measured`() {
    var times = CollectiveTimes()
    times.record(.permute, devices: 2, elements: 64, seconds: 1)
    times.record(.allReduce, devices: 2, elements: 64, seconds: 2)
    #expect(times.figure(.send, devices: 8, elements: 64)?.seconds == 1)
    #expect(times.figure(.send, devices: 8, elements: 64)?.source == .interpolated)
    #expect(
      times.figure(.exchange, devices: 2, elements: 64)
        == MeasuredFigure(seconds: 2, source: .measured))
    #expect(times.figure(.allReduce, devices: 4, elements: 64)?.source == .interpolated)
    #expect(times.figure(.broadcast, devices: 2, elements: 64) == nil)
    #expect(times.has(.send, devices: 8) && !times.has(.allReduce, devices: 4))
  }

  @Test func `names stand for different kernels`() {
    let names = ["add", "add.add", "norm-apply.rms", "norm-apply.layer", "softmax", ""]
    #expect(Set(names.map(TimedKernel.init)).count == names.count)
  }
}

import Partitioner
import PlanIR
import TestSupport
import Testing

/// Where the search changes from one published layout to another: the rows over hidden at which the
/// formulas' bytes cross, on a network without latency and devices that compute in no time.
@Suite struct BreakEvenTests {
  /// Two layouts of equal devices: the second wins where there are many rows.
  struct Pair: Sendable, CustomStringConvertible {
    let few, many: PublishedVolume
    var description: String { "\(few) or \(many)" }

    init(_ few: PublishedVolume.Layout, _ many: PublishedVolume.Layout) {
      self.few = PublishedVolume(layout: few)
      self.many = PublishedVolume(layout: many)
    }
  }

  static let fromMegatron: [Pair] = [
    Pair(.megatron(4), .tesseract(2, depth: 1)),
    Pair(.megatron(16), .tesseract(4, depth: 1)),
    Pair(.megatron(64), .tesseract(8, depth: 1)),
    Pair(.megatron(8), .tesseract(2, depth: 2)),
    Pair(.megatron(16), .tesseract(2, depth: 4)),
    Pair(.megatron(32), .tesseract(4, depth: 2)),
    Pair(.megatron(64), .tesseract(4, depth: 4)),
    Pair(.megatron(8), .cube(2, again: false)),
    Pair(.megatron(64), .cube(4, again: false)),
    Pair(.megatron(8), .cube(2, again: true)),
    Pair(.megatron(64), .cube(4, again: true)),
  ]

  static let betweenOthers: [Pair] = [
    Pair(.tesseract(4, depth: 1), .tesseract(2, depth: 4)),
    Pair(.tesseract(8, depth: 1), .tesseract(4, depth: 4)),
    Pair(.cube(2, again: false), .tesseract(2, depth: 2)),
    Pair(.cube(4, again: false), .tesseract(4, depth: 4)),
    Pair(.cube(2, again: true), .tesseract(2, depth: 2)),
    Pair(.cube(4, again: true), .tesseract(4, depth: 4)),
  ]

  @Test(arguments: fromMegatron + betweenOthers, [(8192, 16), (32768, 64)])
  func `the choice flips where the formulas' bytes cross`(
    pair: Pair, size: (hidden: Int, batch: Int)
  ) throws {
    let crossing = pair.few.crossing(pair.many, hidden: Double(size.hidden))
    let flip = try flip(pair, size.hidden, size.batch, near: crossing)
    let deviation = abs(flip / crossing - 1)
    if LayoutMatrix.isFull { print("\(pair), hidden \(size.hidden): \(crossing), \(flip)") }
    #expect(deviation < 0.01, "flips at \(flip), the formulas at \(crossing)")
  }

  @Test(arguments: fromMegatron + betweenOthers)
  func `predicted bytes are the formulas'`(pair: Pair) throws {
    let stack = LayerStack(hidden: 1024, heads: 64, batch: 16, sequence: 128)
    for volume in [pair.few, pair.many] {
      let predicted = try plan(volume, stack).predicted
      let sent = predicted.communication.reduce(0) { $0 + $1.total.count }
      let expected = volume.elements(rows: Double(stack.rows), hidden: Double(stack.hidden))
      let devices = volume.pins.tensor ?? 1
      // The loss is one more scalar of every device.
      let elements = Double(sent) / 4 / Double(devices * stack.layers)
      #expect(abs(elements - expected) <= 1, "\(volume): \(elements), by formula \(expected)")
    }
  }

  /// The rows over hidden from which the search prefers `pair.many`, by bisection over the sequence.
  private func flip(
    _ pair: Pair, _ hidden: Int, _ batch: Int, near crossing: Double
  ) throws -> Double {
    func prefersMany(_ sequence: Int) throws -> Bool {
      let stack = LayerStack(hidden: hidden, heads: 64, batch: batch, sequence: sequence)
      return try plan(pair.many, stack).predicted.step < plan(pair.few, stack).predicted.step
    }
    var (low, high) = (1, Int(4 * crossing * Double(hidden)) / batch + 2)
    let starts = try prefersMany(low)
    let ends = try prefersMany(high)
    try #require(!starts && ends)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try prefersMany(middle) { high = middle } else { low = middle }
    }
    return (Double(low) + 0.5) * Double(batch) / Double(hidden)
  }

  /// The best plan that the pins of `volume` leave.
  private func plan(_ volume: PublishedVolume, _ stack: LayerStack) throws -> RankedPlan {
    var pins = volume.pins
    pins.microBatch = stack.batch
    let request = SearchRequest(
      training: try stack.training(), cluster: SyntheticCluster.networkAlone,
      devices: pins.tensor ?? 1, pins: pins, keep: 1)
    return try #require(Search.run(request).plans.first)
  }
}

extension PublishedVolume {
  /// The layout, its mesh, what the formula gathers again, one micro-batch and nothing else.
  var pins: Pins {
    var pins = Pins.flat
    (pins.data, pins.zero, pins.sequenceParallel) = (1, 0, false)
    pins.matmul = .gathered
    switch layout {
    case .megatron(let size):
      (pins.layout, pins.mesh) = (.megatron, [size])
    case .tesseract(let side, 1):
      (pins.layout, pins.mesh) = (.summa, [side, side])
      (pins.gathersInputs, pins.gathersWeights) = (.again, .again)
    case .tesseract(let side, let depth):
      (pins.layout, pins.mesh) = (.tesseract, [side, side, depth])
      (pins.gathersInputs, pins.gathersWeights) = (.again, .again)
    case .cube(let side, let again):
      (pins.layout, pins.mesh) = (.threeDimensional, [side, side, side])
      let gathers = again ? GatherChoice.again : .saved
      (pins.gathersInputs, pins.gathersWeights) = (gathers, gathers)
    }
    pins.tensor = pins.mesh?.reduce(1, *)
    return pins
  }
}

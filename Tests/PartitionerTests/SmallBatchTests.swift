import Partitioner
import PlanIR
import TestSupport
import Testing

/// A batch too small for the published layouts: four sequences of 2048 tokens on 64 devices, hidden
/// 12288 and 96 heads, every weight stored once.
@Suite struct SmallBatchTests {
  private static let devices = 64

  private static var stack: LayerStack {
    LayerStack(hidden: 12288, heads: 96, batch: 4, sequence: 2048)
  }

  /// A layout whose weights are sharded over `data` too, what was gathered gathered again.
  struct Named: Sendable, CustomStringConvertible {
    let layout: LayoutName
    let mesh: [Int]
    let data: Int
    /// Millions of elements that one device sends for one layer.
    let published: Double

    var description: String {
      "\(layout.rawValue) \(mesh.map(String.init).joined(separator: "x")), data \(data)"
    }

    /// The formulas' elements: products on the rows of one of `data` parts, then weights over data.
    func elements(rows: Double, hidden: Double) -> Double {
      let (values, weights) = (rows / Double(data) * hidden, hidden * hidden)
      let (first, last) = (Double(mesh[0]), Double(mesh.last ?? 1))
      let sharded = 36 * weights * Double(data - 1) / Double(SmallBatchTests.devices)
      let products =
        switch layout {
        case .stationary: values * (29 * (first - 1) + 8 * (last - 1))
        case .summa: 21 * values * (last - 1) + 36 * weights * (first - 1)
        default: 8 * values * (first - 1)
        }
      return products / Double(mesh.reduce(1, *)) + sharded
    }
  }

  static let named = [
    Named(layout: .stationary, mesh: [4, 8], data: 2, published: 310),
    Named(layout: .megatron, mesh: [16], data: 4, published: 444),
    Named(layout: .summa, mesh: [4, 16], data: 1, published: 750),
  ]

  @Test(arguments: named)
  func `a layer sends what the formulas say`(named: Named) throws {
    var pins = Pins.flat
    (pins.layout, pins.mesh, pins.data) = (named.layout, named.mesh, named.data)
    (pins.gathersInputs, pins.gathersWeights) = (.again, .again)
    (pins.matmul, pins.sequenceParallel) = (.gathered, false)
    pins.microBatch = Self.stack.batch / named.data
    if named.data > 1 { pins.zero = 3 }
    let plan = try #require(try Search.run(request(pins, .unlimited)).plans.first)
    let found = elements(plan)
    let formula = named.elements(
      rows: Double(Self.stack.rows), hidden: Double(Self.stack.hidden))
    if LayoutMatrix.isFull { print("\(named): \(found / 1e6) M, \(formula / 1e6) M") }
    #expect(abs(formula / 1e6 / named.published - 1) < 0.005)
    #expect(abs(found / formula - 1) < 0.002)
  }

  @Test func `where weights are stored once the search leaves the published layouts behind`() throws
  {
    // Weights, gradients and two moments of 4 bytes; copying any over two devices takes twice this.
    let once = Self.stack.layers * 12 * 12288 * 12288 * 16 / Self.devices
    let limit = MemoryLimit.bytes(Bytes(once * 39 / 20))
    var stored = Pins.flat
    stored.zero = 3
    let best = try #require(try Search.run(request(stored, limit)).plans.first)
    var published: [RankedPlan] = []
    for layout in [LayoutName.megatron, .summa, .tesseract, .threeDimensional] {
      var pins = Pins.flat
      pins.layout = layout
      published += try Search.run(request(pins, limit)).plans.prefix(1)
    }
    let least = try #require(published.map(elements).min())
    if LayoutMatrix.isFull {
      for plan in [best] + published {
        print("\(plan.choices.canonicalText): \(elements(plan) / 1e6) M")
      }
    }
    let layouts = Set(best.choices.blocks.values)
    #expect(layouts.contains(.stationary))
    #expect(best.choices.weightsOver == ["data"])
    #expect(elements(best) < 311e6)
    #expect(elements(best) < 0.75 * least)
  }

  private func request(_ pins: Pins, _ memory: MemoryLimit) throws -> SearchRequest {
    SearchRequest(
      training: try Self.stack.training(), cluster: SyntheticCluster.networkAlone,
      devices: Self.devices, memory: memory, pins: pins, keep: 1)
  }

  /// Elements that one device sends for one layer.
  private func elements(_ plan: RankedPlan) -> Double {
    let bytes = plan.predicted.communication.reduce(0) { $0 + $1.total.count }
    return Double(bytes) / 4 / Double(Self.devices * Self.stack.layers)
  }
}

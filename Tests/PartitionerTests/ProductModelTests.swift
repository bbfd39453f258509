import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// What products of the H100 profile take, held against the measured ones that it carries (see
/// docs/accuracy.md, whose errors come of constants fitted anew without what is left out).
@Suite struct ProductModelTests {
  private static func device() throws -> Cluster.Device {
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    return try clusters.cluster("h100-sxm").device
  }

  /// The products of a device that knows none but `measured`.
  private static func model(
    _ device: Cluster.Device, knowing measured: [ProductTiles.Measured]
  ) throws -> ProductModel {
    var tiles = try #require(device.products).tiles
    tiles.measured = measured
    return ProductModel(
      tiles, flops: device.matmulFlops16, memoryBandwidth: device.memoryBandwidth)
  }

  private static func shape(_ measured: ProductTiles.Measured) -> MatmulShape {
    MatmulShape(
      m: measured.m, n: measured.n, k: measured.k,
      transposeA: measured.transposition.first == "T",
      transposeB: measured.transposition.last == "T")
  }

  /// Of 16-bit operands and result.
  private static func bytes(_ shape: MatmulShape) -> Int {
    let operands = shape.m * shape.k + shape.k * shape.n
    return 2 * (operands + shape.m * shape.n)
  }

  /// The median and the 90th percentile of `errors`.
  private static func summary(_ errors: [Double]) -> (median: Double, ninetieth: Double) {
    let sorted = errors.map(abs).sorted()
    return (sorted[sorted.count / 2], sorted[sorted.count * 9 / 10])
  }

  @Test func `tiles and waves alone are 4 percent off, a tenth of products 11`() throws {
    let device = try Self.device()
    let measured = try #require(device.products).tiles.measured
    #expect(measured.count == 572)
    let model = try Self.model(device, knowing: [])
    let errors = measured.map { model.seconds(Self.shape($0)) * 1e6 / $0.microseconds - 1 }
    let (median, ninetieth) = Self.summary(errors)
    #expect(median < 0.042 && ninetieth < 0.112, "\(median) \(ninetieth)")
  }

  @Test func `products left out are corrected by their neighbours`() throws {
    let device = try Self.device()
    let measured = try #require(device.products).tiles.measured
    let errors = try (0..<10).flatMap { fold in
      let known = measured.enumerated().filter { $0.offset % 10 != fold }.map(\.element)
      let model = try Self.model(device, knowing: known)
      return measured.enumerated().filter { $0.offset % 10 == fold }.map {
        model.seconds(Self.shape($0.element)) * 1e6 / $0.element.microseconds - 1
      }
    }
    let (median, ninetieth) = Self.summary(errors)
    #expect(median < 0.04 && ninetieth < 0.12, "\(median) \(ninetieth)")
  }

  @Test func `a measured product takes what it took, and says so`() throws {
    let model = try #require(try Self.device().products)
    for measured in model.tiles.measured {
      let shape = Self.shape(measured)
      #expect(abs(model.seconds(shape) * 1e6 / measured.microseconds - 1) < 1e-9)
      #expect(model.basis(of: shape) == FigureBasis(.measured))
    }
    func basis(_ m: Int, _ n: Int, _ k: Int) -> FigureBasis {
      model.basis(of: MatmulShape(m: m, n: n, k: k, transposeA: false, transposeB: true))
    }
    let (near, far) = (basis(4096, 12288, 4096), basis(1 << 17, 1 << 17, 32))
    #expect(near.source == .interpolated && far.source == .modelled)
  }

  @Test func `what is not measured is told with how far the model is off where products are`()
    throws
  {
    let model = try #require(try Self.device().products)
    func uncertainty(_ m: Int, _ n: Int, _ k: Int) throws -> Double {
      try #require(
        model.basis(of: MatmulShape(m: m, n: n, k: k, transposeA: false, transposeB: true))
          .uncertainty)
    }
    // docs/accuracy.md: a mean error of 5 % of what was left out, 5.3 % of tiles and waves alone.
    #expect((0.01..<0.10).contains(try uncertainty(4096, 12288, 4096)))
    #expect((0.04..<0.07).contains(try uncertainty(1 << 17, 1 << 17, 32)))
    let unknown = try Self.model(Self.device(), knowing: [])
    let shape = MatmulShape(m: 64, n: 64, k: 64, transposeA: false, transposeB: false)
    #expect(unknown.basis(of: shape) == FigureBasis(.modelled))
  }

  @Test func `no loop over panels takes less than its product, and none beats the fastest`() throws
  {
    let device = try Self.device()
    let model = try #require(device.products)
    let sides = [24, 64, 96, 256, 1024, 2304, 4096, 8192]
    let cuts = [ProductPanels(m: 2), ProductPanels(n: 3), ProductPanels(k: 2), ProductPanels(k: 8)]
    for (m, n) in sides.flatMap({ m in sides.map { (m, $0) } }) {
      for (k, panels) in sides.flatMap({ k in cuts.map { (k, $0) } }) {
        let panel = MatmulShape(m: m, n: n, k: k, transposeA: k > m, transposeB: n > m)
        let whole = panels.whole(of: panel)
        let each = model.seconds(panel, bytes: Self.bytes(panel), panels: panels)
        let all = model.seconds(whole, bytes: Self.bytes(whole))
        #expect(each * Double(panels.count) >= all * (1 - 1e-12), "\(panel) \(panels)")
        #expect(all >= Double(whole.flops) / device.fastestProducts(.mixed), "\(whole)")
      }
    }
  }

  @Test
  func `at half the peak large products take about twice as long, what was measured included`()
    throws
  {
    let device = try Self.device()
    let model = try #require(device.products)
    let slow = model.at(
      flops: device.matmulFlops16 / 2, memoryBandwidth: device.memoryBandwidth)
    let shape = MatmulShape(m: 8192, n: 12288, k: 12288, transposeA: false, transposeB: true)
    let ratio = slow.seconds(shape) / model.seconds(shape)
    #expect(ratio > 1.7 && ratio < 2.1, "\(ratio)")
  }
}

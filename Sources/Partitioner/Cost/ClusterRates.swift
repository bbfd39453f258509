import PlanIR
import Synchronization

/// The figures from which prices of one precision on a cluster follow: found once for all meshes.
final class ClusterRates: Sendable {
  let cluster: Cluster
  let precision: Precision
  let timings: TimingTable
  /// How many devices share one core, of a cluster whose devices are threads, times how much longer they
  /// take for sharing them.
  let contention: Double
  /// How many devices may lie together on a node.
  let fills: [Int]
  /// Of 16-bit products; nil where a roofline has to do.
  private let products: ProductTimes?
  /// FLOP/s of large products, and FLOP/s that no product exceeds.
  let matmulFlops, fastestProducts: Double
  /// Bytes a second to and from a device's memory, as far as kernels reach them.
  let memoryBandwidth: Double
  /// By number of family.
  let operators: [OperatorRate]
  let attention, attentionGradient: AttentionRate?
  /// FLOP/s that attention's rates are shares of.
  let attentionPeak: Double
  let launchSeconds, hostSeconds: Double
  /// Whether layers that are computed again in full are so with what nothing depends on.
  let recomputesWhole: Bool
  /// Whether gradients are reduced while the last backward pass goes on.
  let overlapsGradients: Bool
  /// Bytes of gradients, or weights, that are sent together.
  let gradientBucket: Bytes?

  /// Of a plan on as many `devices` of `cluster`.
  init(_ cluster: Cluster, _ precision: Precision, _ timings: TimingTable, devices: Int) {
    (self.cluster, self.precision, self.timings) = (cluster, precision, timings)
    contention = cluster.contention(among: devices, timings)
    fills = Placement.fills(devices, perNode: cluster.devicesPerNode)
    let device = cluster.device
    products =
      precision == .fp32
      ? nil
      : device.products.map {
        ProductTimes(
          $0.at(flops: device.matmulFlops16, memoryBandwidth: device.memoryBandwidth))
      }
    let peak = precision == .fp32 ? device.matmulFlops32 : device.matmulFlops16
    matmulFlops = peak * device.matmulEfficiency
    fastestProducts = device.fastestProducts(precision)
    memoryBandwidth = device.memoryBandwidth * device.memoryEfficiency
    operators = device.operators.all
    (attention, attentionGradient) = (
      device.operators.attention, device.operators.attentionGradient
    )
    attentionPeak = device.matmulFlops16
    (launchSeconds, hostSeconds) = (device.launchSeconds, device.operators.hostSeconds)
    recomputesWhole = device.operators.recomputesWhole
    overlapsGradients = device.operators.overlapsGradients
    gradientBucket = device.operators.gradientBucket
  }

  /// Seconds of a product that reads and writes `bytes`, one of `panels` in a loop over them; nil where a roofline
  /// has to do.
  func seconds(_ shape: MatmulShape, bytes: Int, panels: ProductPanels) -> Double? {
    products?.seconds(shape, bytes: bytes, panels: panels)
  }

  /// Where that comes from.
  func basis(of shape: MatmulShape) -> FigureBasis? { products?.model.basis(of: shape) }
}

/// What products take, each found once: layouts share most of their products.
private final class ProductTimes: Sendable {
  let model: ProductModel
  private let known = Mutex<[Product: Double]>([:])

  private struct Product: Hashable {
    let shape: MatmulShape
    let bytes: Int
    let panels: ProductPanels
  }

  init(_ model: ProductModel) { self.model = model }

  func seconds(_ shape: MatmulShape, bytes: Int, panels: ProductPanels) -> Double {
    let product = Product(shape: shape, bytes: bytes, panels: panels)
    return known.withLock { known in
      if let seconds = known[product] { return seconds }
      let seconds = model.seconds(shape, bytes: bytes, panels: panels)
      known[product] = seconds
      return seconds
    }
  }
}

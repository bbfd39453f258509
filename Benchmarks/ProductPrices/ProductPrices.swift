import ArgumentParser
import Formats
import PlanIR

/// What a cluster's profile says products take: reads lines `NT 512 2304 768`, writes lines of microseconds
/// and where they come from.
@main
struct ProductPrices: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ProductPrices", abstract: "Microseconds of the products on standard input.")

  @Argument(help: "A cluster file.")
  var cluster: String

  @Flag(help: "Leave out what the profile has measured.")
  var modelled = false

  func run() throws {
    let catalog = ClusterCatalog(folders: [])
    let device = try catalog.cluster(cluster).device
    guard let model = device.products else { throw ValidationError("\(cluster) has no products") }
    var tiles = model.tiles
    if modelled { tiles.measured = [] }
    let prices = ProductModel(
      tiles, flops: device.matmulFlops16, memoryBandwidth: device.memoryBandwidth)
    while let line = readLine() {
      let words = line.split(separator: " ")
      let sizes = words.dropFirst().compactMap { Int($0) }
      guard words.count == 4, sizes.count == 3 else {
        throw ValidationError("expected a line such as NT 512 2304 768, found \(line)")
      }
      let shape = MatmulShape(
        m: sizes[0], n: sizes[1], k: sizes[2], transposeA: words[0].hasPrefix("T"),
        transposeB: words[0].hasSuffix("T"))
      print(prices.seconds(shape) * 1e6, prices.basis(of: shape).source.rawValue)
    }
  }
}

import PlanIR

/// How a device computes products: `$.device.products` of a cluster.
extension ClusterFile {
  /// The tiles, waves and measured products at `node`, of a device of these rates.
  static func products(
    _ node: JSONNode, flops: Double, memoryBandwidth: Double
  ) throws(FormatError) -> ProductModel {
    try node.refuseFields(besides: productFields)
    func number(_ name: String, _ range: ClosedRange<Double>) throws(FormatError) -> Double {
      try node.field(name).number(in: range)
    }
    let measured = try node.optional("measured").map(measured) ?? []
    let tiles = ProductTiles(
      processors: try node.field("processors").positiveInteger(upTo: 1 << 20),
      tiles: try tiles(node.field("tiles")),
      depth: try node.field("depth").positiveInteger(upTo: 1 << 16),
      efficiency: try number("efficiency", 0.001...2),
      fastest: try number("fastest_efficiency", 0.001...2),
      loadBandwidth: try number("load_bandwidth_bytes_per_second", 1...1e20),
      overlap: try number("overlap_exponent", 1...100),
      startSeconds: try number("start_seconds", 0...1),
      storeSeconds: try number("store_seconds", 0...1),
      memoryEfficiency: try number("memory_efficiency", 0.001...2),
      slowdown: try number("slowdown", 0...10),
      slowdownSeconds: try number("slowdown_half_seconds", 1e-9...1e3),
      notTransposed: try number("factor_nn", 0.1...10),
      transposed: try number("factor_tn", 0.1...10),
      unaligned: try number("factor_unaligned", 1...100),
      reach: try number("reach_octaves", 0.01...100),
      prior: try number("prior_weight", 0...100),
      transpositionDistance: try number("transposition_octaves", 0...100),
      limit: try number("correction_limit", 0...10), measured: measured)
    return ProductModel(tiles, flops: flops, memoryBandwidth: memoryBandwidth)
  }

  private static let productFields = [
    "processors", "tiles", "depth", "efficiency", "fastest_efficiency",
    "load_bandwidth_bytes_per_second", "overlap_exponent", "start_seconds", "store_seconds",
    "memory_efficiency", "slowdown", "slowdown_half_seconds", "factor_nn", "factor_tn",
    "factor_unaligned", "reach_octaves", "prior_weight", "transposition_octaves",
    "correction_limit", "measured",
  ]

  private static func tiles(_ node: JSONNode) throws(FormatError) -> [ProductTiles.Tile] {
    var tiles: [ProductTiles.Tile] = []
    for element in try node.array() {
      let sides = try element.string().split(separator: "x", omittingEmptySubsequences: false)
      guard sides.count == 2, let rows = Int(sides[0]), let columns = Int(sides[1]),
        (1...largestSize).contains(rows), (1...largestSize).contains(columns)
      else {
        throw element.malformed(
          expected: "rows and columns of a tile", remedy: "write it as \"128x256\"")
      }
      tiles.append(ProductTiles.Tile(rows: rows, columns: columns))
    }
    guard !tiles.isEmpty else {
      throw node.malformed(expected: "at least one tile", remedy: "write it as \"128x256\"")
    }
    return tiles
  }

  private static func measured(
    _ node: JSONNode
  ) throws(FormatError) -> [ProductTiles.Measured] {
    var measured: [ProductTiles.Measured] = []
    for element in try node.array() {
      let words = try element.string().split(separator: " ", omittingEmptySubsequences: false)
      let sizes = words.dropFirst().prefix(3).compactMap { Int($0) }
      guard words.count == 5, ["NN", "NT", "TN", "TT"].contains(words[0]), sizes.count == 3,
        sizes.allSatisfy((1...largestSize).contains), let micros = Double(words[4]),
        (1e-3...1e9).contains(micros)
      else {
        throw element.malformed(
          expected: "transposition, m, n, k and microseconds of a product",
          remedy: "write it as \"NT 512 2304 768 6.214\"")
      }
      measured.append(
        ProductTiles.Measured(
          transposition: String(words[0]), m: sizes[0], n: sizes[1], k: sizes[2],
          microseconds: micros))
    }
    return measured
  }

  /// `model`, as ``products(_:flops:memoryBandwidth:)`` reads it.
  static func value(of model: ProductModel) -> JSONValue {
    let tiles = model.tiles
    return [
      "processors": .integer(tiles.processors),
      "tiles": .array(tiles.tiles.map { .string("\($0.rows)x\($0.columns)") }),
      "depth": .integer(tiles.depth), "efficiency": .number(tiles.efficiency),
      "fastest_efficiency": .number(tiles.fastest),
      "load_bandwidth_bytes_per_second": .number(tiles.loadBandwidth),
      "overlap_exponent": .number(tiles.overlap), "start_seconds": .number(tiles.startSeconds),
      "store_seconds": .number(tiles.storeSeconds),
      "memory_efficiency": .number(tiles.memoryEfficiency), "slowdown": .number(tiles.slowdown),
      "slowdown_half_seconds": .number(tiles.slowdownSeconds),
      "factor_nn": .number(tiles.notTransposed), "factor_tn": .number(tiles.transposed),
      "factor_unaligned": .number(tiles.unaligned), "reach_octaves": .number(tiles.reach),
      "prior_weight": .number(tiles.prior),
      "transposition_octaves": .number(tiles.transpositionDistance),
      "correction_limit": .number(tiles.limit),
      "measured": .array(tiles.measured.map { .string(text(of: $0)) }),
    ]
  }

  /// `NT 512 2304 768 6.214`.
  private static func text(of product: ProductTiles.Measured) -> String {
    let sizes = "\(product.m) \(product.n) \(product.k)"
    return "\(product.transposition) \(sizes) \(product.microseconds)"
  }

  /// Small enough that three of them multiply.
  private static let largestSize = 1 << 20
}

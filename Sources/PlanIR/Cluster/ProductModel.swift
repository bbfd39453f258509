import Glibc

/// What 16-bit products take on a device that computes them in tiles.
///
/// The library takes, of its tiles, the one that is done first. Tiles are computed in waves, one a
/// processor; a wave takes `ceil(k / depth)` iterations, in each of which a processor computes and loads at
/// once, and the storing of its tile. Reading and writing memory goes on beside; what begins and ends the
/// kernel does not. Long products take more, since clocks fall with the power that is drawn. So far what is
/// modelled (Osama et al., arXiv 2301.03598, section 3; its splitting of tiles, fitted, made products left
/// out worse, see docs/accuracy.md); measured products of similar sizes then correct it. A product that was
/// measured takes what it took.
///
/// A pure function of its arguments: equal products have equal times.
package struct ProductModel: Hashable, Sendable {
  package let tiles: ProductTiles
  /// FLOP/s and bytes a second of the device at which products were measured.
  private let measuredAt: Rates
  private let rates: Rates
  private let choices: [Choice]
  private let processors, depth: Parts
  /// FLOP/s that no product exceeds.
  private let fastest: Double
  private let neighbours: ProductNeighbours

  private struct Rates: Hashable {
    let flops, memoryBandwidth: Double
  }

  /// A tile and what it takes.
  private struct Choice {
    let rows, columns: Parts
    /// Seconds of an iteration, and of storing it.
    let iteration, storing: Double
  }

  /// Products in `tiles` on a device of `flops` a second in 16 bits and `memoryBandwidth` bytes a second.
  package init(_ tiles: ProductTiles, flops: Double, memoryBandwidth: Double) {
    let rates = Rates(flops: flops, memoryBandwidth: memoryBandwidth)
    let alone = ProductModel(
      tiles, measuredAt: rates, rates, ProductNeighbours(nothingOf: tiles))
    self.init(
      tiles, measuredAt: rates, rates,
      ProductNeighbours(tiles) { alone.modelled($0, alone.bytes(of: $0)) })
  }

  private init(
    _ tiles: ProductTiles, measuredAt: Rates, _ rates: Rates, _ neighbours: ProductNeighbours
  ) {
    (self.tiles, self.measuredAt, self.rates) = (tiles, measuredAt, rates)
    self.neighbours = neighbours
    fastest = rates.flops * tiles.fastest
    (processors, depth) = (Parts(of: tiles.processors), Parts(of: tiles.depth))
    let computing = rates.flops * tiles.efficiency / Double(tiles.processors)
    let loading = tiles.loadBandwidth / Double(tiles.processors)
    choices = tiles.tiles.map { tile in
      let (rows, columns) = (Double(tile.rows), Double(tile.columns))
      let computed = 2 * rows * columns * Double(tiles.depth) / computing
      let loaded = (rows + columns) * Double(2 * tiles.depth) / loading
      return Choice(
        rows: Parts(of: tile.rows), columns: Parts(of: tile.columns),
        iteration: pow(
          pow(computed, tiles.overlap) + pow(loaded, tiles.overlap), 1 / tiles.overlap),
        storing: tiles.storeSeconds * rows * columns / Self.stored)
    }
  }

  /// Elements of the tile that `storeSeconds` is of.
  private static let stored = 32768.0

  /// The same library on a device of other rates; what measured products took beside what is modelled of
  /// them stays.
  package func at(flops: Double, memoryBandwidth: Double) -> ProductModel {
    let other = Rates(flops: flops, memoryBandwidth: memoryBandwidth)
    return other == rates
      ? self : ProductModel(tiles, measuredAt: measuredAt, other, neighbours)
  }

  package static func == (left: ProductModel, right: ProductModel) -> Bool {
    left.tiles == right.tiles && left.measuredAt == right.measuredAt && left.rates == right.rates
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(tiles)
    hasher.combine(rates)
  }

  /// Seconds of a product that reads and writes `bytes` of memory; of 16-bit operands and result where
  /// nothing is said.
  package func seconds(_ shape: MatmulShape, bytes: Int? = nil) -> Double {
    let seconds =
      modelled(shape, bytes ?? self.bytes(of: shape)) * neighbours.factor(at: ProductPlace(shape))
    return max(seconds, Double(shape.flops) / fastest)
  }

  /// Whether the product was measured, or similar ones, and how far off it may be.
  package func basis(of shape: MatmulShape) -> FigureBasis {
    neighbours.basis(at: ProductPlace(shape))
  }

  private func bytes(of shape: MatmulShape) -> Int {
    2 * (shape.m * shape.k + shape.n * shape.k + shape.m * shape.n)
  }

  /// Seconds of a product that reads and writes `bytes`, by tiles and waves alone.
  private func modelled(_ shape: MatmulShape, _ bytes: Int) -> Double {
    let iterations = depth.count(Double(shape.k))
    let factor = isAligned(shape) ? iterations : iterations * tiles.unaligned
    let (m, n) = (Double(shape.m), Double(shape.n))
    var best = Double.infinity
    for choice in choices {
      let waves = processors.count(choice.rows.count(m) * choice.columns.count(n))
      best = min(best, waves * (factor * choice.iteration + choice.storing))
    }
    let traffic = Double(bytes) / (rates.memoryBandwidth * tiles.memoryEfficiency)
    let both = Self.joined(best, traffic) + tiles.startSeconds
    return both * (1 + tiles.slowdown * both / (both + tiles.slowdownSeconds))
      * transposing(shape)
  }

  /// The norm of exponent 4.
  private static func joined(_ first: Double, _ second: Double) -> Double {
    let (a, b) = (first * first, second * second)
    return (a * a + b * b).squareRoot().squareRoot()
  }

  private func transposing(_ shape: MatmulShape) -> Double {
    if shape.transposeA { return tiles.transposed }
    return shape.transposeB ? 1 : tiles.notTransposed
  }

  /// Whether rows of both operands and of the result are multiples of 16 bytes.
  private func isAligned(_ shape: MatmulShape) -> Bool {
    let first = shape.transposeA ? shape.m : shape.k
    let second = shape.transposeB ? shape.k : shape.n
    return (first | second | shape.n) & 7 == 0
  }
}

/// How many parts of one size a number of things takes: of whole numbers below 2^40 the quotient, rounded up,
/// exactly, in a tenth of a division's time.
private struct Parts: Sendable {
  private let inverse, size: Double

  init(of size: Int) { (self.size, inverse) = (Double(size), 1 / Double(size)) }

  /// Half above what divides, so that an error in the inverse rounds to no other number.
  func count(_ whole: Double) -> Double {
    Double(Int((whole + size - 0.5) * inverse))
  }
}

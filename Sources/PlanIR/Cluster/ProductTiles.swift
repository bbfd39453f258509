/// How a device's library computes 16-bit matrix products: tiles of the result, in waves over the
/// processors, and what products were measured to take.
///
/// Rates are fractions of the device's own, so that they follow where these are varied. The figures are
/// fitted by `Benchmarks/accuracy`; ``ProductModel`` says how they make a time.
package struct ProductTiles: Hashable, Sendable {
  /// Multiprocessors, each of which computes a tile at a time.
  package var processors: Int
  /// The tiles of a result that the library chooses from.
  package var tiles: [Tile]
  /// Terms of the contraction that an iteration over a tile adds up.
  package var depth: Int
  /// Fraction of the matmul peak at which tiles are computed while clocks are high.
  package var efficiency: Double
  /// Fraction of the matmul peak that no product exceeds.
  package var fastest: Double
  /// Bytes a second at which all processors load operands out of the cache.
  package var loadBandwidth: Double
  /// The exponent of the norm that joins computing and loading: 1 one after the other, large at once.
  package var overlap: Double
  /// Seconds before the first tile and after the last.
  package var startSeconds: Double
  /// Seconds in which 32,768 elements of a tile are stored.
  package var storeSeconds: Double
  /// Fraction of the memory bandwidth at which products read and write.
  package var memoryEfficiency: Double
  /// What products that take long take more, for lower clocks; half of it at `slowdownSeconds`.
  package var slowdown, slowdownSeconds: Double
  /// Factors of products whose second operand, or whose first, is not contracted along its rows.
  package var notTransposed, transposed: Double
  /// Factor of iterations where rows of an operand or the result are no multiple of 16 bytes.
  package var unaligned: Double
  /// Octaves of sizes, all three together, beyond which measured products say nothing of another.
  package var reach: Double
  /// Of how many measured products of equal size what is modelled has the weight.
  package var prior: Double
  /// Octaves that another transposition is away.
  package var transpositionDistance: Double
  /// The largest correction of what is modelled, of its logarithm.
  package var limit: Double
  /// Products of this device that were measured.
  package var measured: [Measured]

  /// The rows and columns of a tile.
  package struct Tile: Hashable, Sendable {
    package var rows, columns: Int

    package init(rows: Int, columns: Int) { (self.rows, self.columns) = (rows, columns) }
  }

  /// A measured product.
  package struct Measured: Hashable, Sendable {
    /// `NN`, `NT`, `TN` or `TT`.
    package var transposition: String
    package var m, n, k: Int
    package var microseconds: Double

    package init(transposition: String, m: Int, n: Int, k: Int, microseconds: Double) {
      self.transposition = transposition
      (self.m, self.n, self.k) = (m, n, k)
      self.microseconds = microseconds
    }
  }

  /// Nothing measured; what is left out is what `Benchmarks/accuracy` takes for given.
  package init(
    processors: Int, tiles: [Tile], depth: Int, efficiency: Double, fastest: Double,
    loadBandwidth: Double, overlap: Double, startSeconds: Double, storeSeconds: Double,
    memoryEfficiency: Double, slowdown: Double, slowdownSeconds: Double, notTransposed: Double,
    transposed: Double, unaligned: Double, reach: Double, prior: Double,
    transpositionDistance: Double, limit: Double, measured: [Measured] = []
  ) {
    (self.processors, self.tiles, self.depth) = (processors, tiles, depth)
    (self.efficiency, self.fastest) = (efficiency, fastest)
    (self.loadBandwidth, self.overlap) = (loadBandwidth, overlap)
    (self.startSeconds, self.storeSeconds) = (startSeconds, storeSeconds)
    self.memoryEfficiency = memoryEfficiency
    (self.slowdown, self.slowdownSeconds) = (slowdown, slowdownSeconds)
    (self.notTransposed, self.transposed, self.unaligned) = (notTransposed, transposed, unaligned)
    (self.reach, self.prior, self.limit) = (reach, prior, limit)
    self.transpositionDistance = transpositionDistance
    self.measured = measured
  }
}

extension Cluster.Device {
  /// FLOP/s that no product exceeds.
  package func fastestProducts(_ precision: Precision) -> Double {
    if precision == .fp32 { return matmulFlops32 * matmulEfficiency }
    return matmulFlops16 * (products?.tiles.fastest ?? matmulEfficiency)
  }
}

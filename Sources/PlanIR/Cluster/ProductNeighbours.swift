import Glibc

/// A product's place among others: the logarithms of its sizes, to the base of 2.
struct ProductPlace {
  let m, n, k: Double
  let transposeA, transposeB: Bool

  init(_ shape: MatmulShape) {
    (m, n, k) = (log2(Double(shape.m)), log2(Double(shape.n)), log2(Double(shape.k)))
    (transposeA, transposeB) = (shape.transposeA, shape.transposeB)
  }

  /// Of all that is within a distance this is, too.
  var sum: Double { m + n + k }

  func distance(to other: ProductPlace, transposed: Double) -> Double {
    let sizes = abs(m - other.m) + abs(n - other.n) + abs(k - other.k)
    let isAlike = transposeA == other.transposeA && transposeB == other.transposeB
    return isAlike ? sizes : sizes + transposed
  }
}

/// What measured products took beside what is modelled of them: an average over those within reach, whose
/// weights fall linearly with the distance, and of the model itself.
struct ProductNeighbours {
  private let tiles: ProductTiles
  /// By sum of logarithms, so that those within reach stand together.
  private let known: [Known]

  private struct Known {
    let place: ProductPlace
    /// The logarithm of what it took over what is modelled.
    let excess: Double
  }

  /// Of `tiles`, with nothing measured.
  init(nothingOf tiles: ProductTiles) { (self.tiles, known) = (tiles, []) }

  init(_ tiles: ProductTiles, modelled: (MatmulShape) -> Double) {
    self.tiles = tiles
    known = tiles.measured.map { measured in
      let shape = MatmulShape(measured)
      return Known(
        place: ProductPlace(shape), excess: log(measured.microseconds * 1e-6 / modelled(shape)))
    }.sorted { $0.place.sum < $1.place.sum }
  }

  /// What to multiply by what is modelled of a product at `place`.
  func factor(at place: ProductPlace) -> Double {
    guard !known.isEmpty else { return 1 }
    return exp(excess(at: place, but: nil))
  }

  /// The logarithm of that, as all but the one at an index have it.
  private func excess(at place: ProductPlace, but excluded: Int?) -> Double {
    var (weights, sum) = (0.0, 0.0)
    for index in first(from: place.sum - tiles.reach)..<known.count where index != excluded {
      let other = known[index]
      if other.place.sum > place.sum + tiles.reach { break }
      let distance = other.place.distance(to: place, transposed: tiles.transpositionDistance)
      if distance == 0 { return other.excess }
      let weight = max(0, 1 - distance / tiles.reach)
      weights += weight
      sum += weight * min(max(other.excess, -tiles.limit), tiles.limit)
    }
    return weights == 0 ? 0 : sum / (tiles.prior + weights)
  }

  /// Whether the product at `place` was measured, or others within reach; of these how far, on average, each is from what
  /// the others say of it, and where there are none how far all are from what is modelled.
  func basis(at place: ProductPlace) -> FigureBasis {
    let near = known.indices.filter {
      known[$0].place.distance(to: place, transposed: tiles.transpositionDistance) < tiles.reach
    }
    func isHere(_ index: Int) -> Bool {
      known[index].place.distance(to: place, transposed: tiles.transpositionDistance) == 0
    }
    if near.contains(where: isHere) { return FigureBasis(.measured) }
    guard !near.isEmpty else {
      return FigureBasis(.modelled, uncertainty: Self.mean(known.map { exp(-$0.excess) - 1 }))
    }
    return FigureBasis(
      .interpolated,
      uncertainty: Self.mean(
        near.map { exp(excess(at: known[$0].place, but: $0) - known[$0].excess) - 1 }))
  }

  /// The mean error; nil of none.
  private static func mean(_ errors: [Double]) -> Double? {
    errors.isEmpty ? nil : errors.reduce(0) { $0 + abs($1) } / Double(errors.count)
  }

  /// The first whose sum is `sum` or more.
  private func first(from sum: Double) -> Int {
    known.indices.first(toMeet: { known[$0].place.sum >= sum })
  }
}

extension MatmulShape {
  /// The product that was measured.
  fileprivate init(_ measured: ProductTiles.Measured) {
    self.init(
      m: measured.m, n: measured.n, k: measured.k,
      transposeA: measured.transposition.hasPrefix("T"),
      transposeB: measured.transposition.hasSuffix("T"))
  }
}

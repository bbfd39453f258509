/// Elements that one device sends for one layer, forward and backward, in closed form: products
/// (published by the layouts' papers), norms and vectors.
///
/// M rows, h hidden, biases and 4h wide: the four products have 7E inputs, 9E results (E = Mh) and
/// 12hh weights; vectors are 13h.
struct PublishedVolume: Sendable, CustomStringConvertible {
  enum Layout: Sendable {
    case megatron(Int)
    case tesseract(Int, depth: Int)
    case cube(Int, again: Bool)
  }

  let layout: Layout

  var description: String {
    switch layout {
    case .megatron(let size): "1-D \(size)"
    case .tesseract(let side, 1): "2-D \(side)x\(side)"
    case .tesseract(let side, let depth): "2.5-D \(side)x\(side)x\(depth)"
    case .cube(let side, let again): "3-D \(side)x\(side)x\(side) \(again ? "again" : "saved")"
    }
  }

  /// Elements for `rows` rows of `hidden`.
  func elements(rows: Double, hidden h: Double) -> Double {
    let (values, weights) = (rows * h, h * h)
    switch layout {
    case .megatron(let size):
      return 8 * values * Double(size - 1) / Double(size)
    case .tesseract(let side, let depth):
      let (q, d) = (Double(side), Double(depth))
      let products = (q - 1) * (21 * values / d + 36 * weights) / (q * q)
      let copies = 24 * weights * (d - 1) / (d * q * q)
      let vectors = 26 * h * (d * q - 1) / (d * q * q)
      return products + copies + vectors + 16 * (q - 1) * rows / (d * q * q)
    case .cube(let side, let again):
      let l = Double(side)
      let parts = again ? 39 * values + 36 * weights : 32 * values + 24 * weights
      let vectors = 26 * h * (l * l - 1) + 16 * (l - 1) * rows
      return ((l - 1) * parts + vectors) / (l * l * l)
    }
  }

  /// The rows over hidden at which this and `other` send equal amounts; each volume is linear in the
  /// rows.
  func crossing(_ other: PublishedVolume, hidden: Double) -> Double {
    func line(_ volume: PublishedVolume) -> (at: Double, slope: Double) {
      let constant = volume.elements(rows: 0, hidden: hidden)
      return (constant, volume.elements(rows: 1, hidden: hidden) - constant)
    }
    let (own, others) = (line(self), line(other))
    return (others.at - own.at) / (own.slope - others.slope) / hidden
  }
}

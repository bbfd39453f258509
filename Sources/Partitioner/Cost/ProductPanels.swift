package import PlanIR

/// Into how many parts a loop over panels cuts the sizes of a product, of which it computes one at a time.
package struct ProductPanels: Hashable, Sendable {
  package var m, n, k: Int

  package init(m: Int = 1, n: Int = 1, k: Int = 1) { (self.m, self.n, self.k) = (m, n, k) }

  package static let whole = ProductPanels()

  /// How many panels there are.
  package var count: Int { m * n * k }

  /// The product whose panel `shape` is.
  package func whole(of shape: MatmulShape) -> MatmulShape {
    var whole = shape
    (whole.m, whole.n, whole.k) = (shape.m * m, shape.n * n, shape.k * k)
    return whole
  }
}

extension ProductPanels {
  /// Those of a product of `operands` that `panel` is one of.
  init(_ operands: MatmulOperands, _ panel: Panel?) {
    self.init()
    guard let panel else { return }
    if !operands.first.dimensions.contains(panel.dimension) {
      n = panel.count
    } else if operands.isContracted(panel.dimension) {
      k = panel.count
    } else {
      m = panel.count
    }
  }
}

extension ProductModel {
  /// Seconds of a product that reads and writes `bytes`, one of `panels` in a loop over them.
  ///
  /// Of n panels each takes a n-th of the whole product at least: of tiles and waves that is so, and clocks
  /// are no higher for it. So no loop beats the product, which bounds of a search go by.
  package func seconds(_ shape: MatmulShape, bytes: Int, panels: ProductPanels) -> Double {
    let own = seconds(shape, bytes: bytes)
    guard panels.count > 1 else { return own }
    let whole = seconds(panels.whole(of: shape), bytes: bytes * panels.count)
    return max(own, whole / Double(panels.count))
  }
}

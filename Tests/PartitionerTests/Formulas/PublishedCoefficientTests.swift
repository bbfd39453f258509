import PlanIR
import TestSupport
import Testing

/// A layer's elements sent by one device, against the coefficients of E and h^2 that follow from the
/// papers for f = 4h: all products, and for Tesseract the sum of weight gradients over depth.
@Suite struct PublishedCoefficientTests {
  struct Entry: Sendable {
    var layout: LayoutName
    var mesh: [Int]
    var gathers = GatherChoice.again
    /// Coefficients of E and of h^2.
    var elements, squares: Double
  }

  static let published: [Entry] = [
    Entry(layout: .megatron, mesh: [4], elements: 6, squares: 0),
    Entry(layout: .megatron, mesh: [8], elements: 7, squares: 0),
    Entry(layout: .summa, mesh: [2, 2], elements: 5.25, squares: 9),
    Entry(layout: .summa, mesh: [4, 4], elements: 3.9375, squares: 6.75),
    Entry(layout: .summa, mesh: [8, 8], elements: 2.296875, squares: 3.9375),
    Entry(layout: .tesseract, mesh: [2, 2, 2], elements: 2.625, squares: 12),
    Entry(layout: .tesseract, mesh: [2, 2, 4], elements: 1.3125, squares: 13.5),
    Entry(layout: .tesseract, mesh: [4, 4, 2], elements: 1.96875, squares: 7.5),
    Entry(layout: .tesseract, mesh: [4, 4, 4], elements: 0.984375, squares: 7.875),
    Entry(layout: .threeDimensional, mesh: [2, 2, 2], gathers: .saved, elements: 4, squares: 3),
    Entry(
      layout: .threeDimensional, mesh: [4, 4, 4], gathers: .saved, elements: 1.5, squares: 1.125),
    Entry(layout: .threeDimensional, mesh: [2, 2, 2], elements: 4.875, squares: 4.5),
    Entry(layout: .threeDimensional, mesh: [4, 4, 4], elements: 1.828125, squares: 1.6875),
    // E(29(x-1) + 8(y-1))/xy, and where gathers are kept 24 in place of 29.
    Entry(layout: .stationary, mesh: [2, 8], elements: 5.3125, squares: 0),
    Entry(layout: .stationary, mesh: [2, 8], gathers: .saved, elements: 5, squares: 0),
    // 9E(p-1)/p^2 with the context moved again, 8 without, and 24h^2(p-1)/p of weight gradients.
    Entry(layout: .sequence, mesh: [4], elements: 1.6875, squares: 18),
    Entry(layout: .sequence, mesh: [4], gathers: .saved, elements: 1.5, squares: 18),
  ]

  @Test(arguments: published)
  func `a layer sends what the published coefficients say`(entry: Entry) throws {
    var proof = FormulaCases.base(entry.layout, entry.mesh)
    (proof.gathersInputs, proof.gathersWeights) = (entry.gathers, entry.gathers)
    proof.workload.precision = .fp32
    let of = try FormulaCase(proof)
    var found = 0
    for phase in [Phase.forward, .inputGradient, .weightGradient] {
      found += of.traffic(FormulaCase.layer, phase, .linears).total
    }
    found += copies(of)
    let devices = entry.mesh.reduce(1, *)
    let expected =
      entry.elements * Double(of.elements) + entry.squares * Double(of.hidden * of.hidden)
    #expect(Double(found) == expected * Double(4 * devices), "\(entry)")
  }

  /// The sums of weight gradients over axes that hold copies of weights: depth, or sequence rows,
  /// without those of the vectors that are copied over the same.
  private func copies(_ of: FormulaCase) -> Int {
    let sums = of.traffic(FormulaCase.layer, .reduceGradients).bytes
    switch of.proof.layout {
    case .tesseract: return sums["depth all-reduce"] ?? 0
    case .sequence:
      let vectors = of.streamVectors + of.wideVectors
      return (sums["tensor all-reduce"] ?? 0) - 2 * 4 * vectors * (of.proof.mesh[0] - 1)
    default: return 0
    }
  }
}

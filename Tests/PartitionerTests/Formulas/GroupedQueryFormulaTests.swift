import PlanIR
import TestSupport
import Testing

/// Fewer key/value heads than the axis that splits heads, of t devices of which c share a head. With
/// M rows and keys w wide: *copied*, each of the c computes and stores its head, weights weigh c
/// times in every gather, and their gradients are summed over the c once a step, `2(c-1)2hw` in all;
/// *gathered*, each computes a part, `2Mw(c-1)` to gather keys and values and as much to scatter
/// their gradients, every micro-batch.
@Suite struct GroupedQueryFormulaTests {
  static var cases: [ProofCase] {
    let meshes: [(LayoutName, [Int])] = [
      (.summa, [2, 4]), (.summa, [3, 6]), (.tesseract, [2, 4, 1]), (.threeDimensional, [2, 4, 2]),
      (.threeDimensional, [1, 6, 3]),
    ]
    return meshes.flatMap { layout, mesh in
      KeyValueForm.allCases.flatMap { form in
        GatherChoice.allCases.map { gathers in
          var proof = FormulaCases.base(layout, mesh)
          (proof.isLlama, proof.keyValue) = (true, form)
          (proof.sample.keyValueHeads, proof.sample.hasAttentionBias) = (2, false)
          (proof.gathersInputs, proof.gathersWeights) = (gathers, gathers)
          return proof
        }
      }
    }
  }

  @Test(arguments: cases)
  func `keys and values are computed by each that shares a head, or in parts and gathered`(
    proof: ProofCase
  ) throws {
    var of = try FormulaCase(proof)
    of.keyValueCopies = proof.mesh[1] / 2
    let isGathered = proof.keyValue == .gathered
    let axis = (proof.layout == .threeDimensional ? "j" : "col") + ":(2)\(of.keyValueCopies)"
    let moved =
      isGathered ? 2 * of.rows * of.keyValueWidth * (of.keyValueCopies - 1) * of.value : 0
    let extra: [Phase: Traffic] = [
      .forward: ["\(axis) all-gather": moved], .inputGradient: ["\(axis) reduce-scatter": moved],
    ]
    for phase in [Phase.forward, .inputGradient, .weightGradient] {
      let found = of.traffic(FormulaCase.layer, phase, .linears)
      let expected = formulas(of).linears(phase) + (extra[phase] ?? [:])
      let differences = found.differences(from: expected)
      #expect(differences.isEmpty, "\(phase), \(proof): \(differences)")
    }
    let sums = 4 * of.hidden * of.keyValueWidth * (of.keyValueCopies - 1) * of.gradient
    let copies: Traffic = ["\(axis) all-reduce": isGathered ? 0 : sums]
    let found = of.traffic(FormulaCase.layer, .reduceGradients)
    let differences = found.differences(from: formulas(of).layerCopies + copies)
    #expect(differences.isEmpty, "once a step, \(proof): \(differences)")
    let weights = try of.predicted().memory.weights.count
    #expect(weights == formulas(of).stored * of.value, "\(proof)")
  }
}

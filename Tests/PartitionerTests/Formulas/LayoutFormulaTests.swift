import PlanIR
import TestSupport
import Testing

/// Predicted bytes and memory of each layout against closed formulas, over meshes, precisions and
/// choices.
@Suite struct LayoutFormulaTests {
  private static let phases: [Phase] = [.forward, .inputGradient, .weightGradient]

  private func expect(
    _ found: Traffic, _ expected: Traffic, _ what: String, _ proof: ProofCase
  ) {
    let differences = found.differences(from: expected)
    #expect(differences.isEmpty, "\(what), \(proof): \(differences)")
  }

  @Test(arguments: FormulaCases.gathers + FormulaCases.tables)
  func `the linears of a layer move what the formula says, phase by phase`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    for phase in Self.phases {
      let found = of.traffic(FormulaCase.layer, phase, .linears)
      expect(found, formulas(of).linears(phase), "\(phase)", proof)
    }
  }

  @Test(arguments: FormulaCases.stepped)
  func `loops over panels broadcast what is gathered and reduce what is scattered`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    for phase in Self.phases {
      let found = of.traffic(FormulaCase.layer, phase, .linears)
      expect(found, formulas(of).linears(phase), "\(phase)", proof)
    }
    var gathered = proof
    (gathered.matmul, gathered.gathersInputs, gathered.gathersWeights) = (.gathered, .again, .again)
    let again = try FormulaCase(gathered)
    let names = ["broadcast": "all-gather", "reduce": "reduce-scatter"]
    for phase in Self.phases {
      var renamed: Traffic = [:]
      for (name, count) in of.traffic(FormulaCase.layer, phase, .linears).bytes {
        let words = name.split(separator: " ").map(String.init)
        renamed.add(count, to: "\(words[0]) \(names[words[1]] ?? words[1])")
      }
      expect(renamed, again.traffic(FormulaCase.layer, phase, .linears), "renamed", proof)
    }
  }

  @Test(arguments: FormulaCases.all)
  func `tables move what their form says, forward and back`(proof: ProofCase) throws {
    let of = try FormulaCase(proof)
    let formulas = formulas(of)
    for phase in Self.phases {
      let embedding = of.traffic(["embedding"], phase, .linears)
      expect(embedding, formulas.embedding(phase), "embedding \(phase)", proof)
      let head = of.traffic(["head"], phase, .linears)
      expect(head, formulas.head(phase), "head \(phase)", proof)
    }
  }

  @Test(arguments: FormulaCases.all)
  func `norms and cross-entropy reduce a few values of each row, at four bytes`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let formulas = formulas(of)
    for phase in [Phase.forward, .inputGradient] {
      let layer = of.traffic(FormulaCase.layer, phase, .statistics)
      expect(layer, formulas.norm * 2, "layer \(phase)", proof)
      expect(of.traffic(["head"], phase, .statistics), formulas.norm, "head \(phase)", proof)
    }
    for phase in Self.phases {
      let expected = phase == .forward ? formulas.crossEntropy : [:]
      expect(of.traffic(["head"], phase, .crossEntropy), expected, "loss \(phase)", proof)
    }
  }

  @Test(arguments: FormulaCases.all)
  func `gradients of copies are summed once a step, over all that hold them jointly`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let formulas = formulas(of)
    let layer = of.traffic(FormulaCase.layer, .reduceGradients)
    expect(layer, formulas.layerCopies, "layer", proof)
    let embedding = of.traffic(["embedding"], .reduceGradients)
    expect(embedding, formulas.embeddingCopies, "embedding", proof)
    expect(of.traffic(["head"], .reduceGradients), formulas.headCopies, "head", proof)
  }

  @Test(arguments: FormulaCases.all)
  func `a step moves its micro-batches' and layers' parts, and nothing else`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    expect(try of.step(), formulas(of).step, "step", proof)
  }

  @Test(arguments: FormulaCases.gathers + FormulaCases.tables)
  func `weights, gradients and optimizer states are stored as the layout divides them`(
    proof: ProofCase
  ) throws {
    var proof = proof
    proof.workload.optimizer = .adamw
    let of = try FormulaCase(proof)
    let memory = try of.predicted().memory
    let (stored, precision) = (formulas(of).stored, proof.workload.precision)
    // Two moments as wide as gradients, and with 16-bit weights beside 32-bit gradients a copy.
    let optimizer = 2 * of.gradient + (precision == .mixed ? 4 : 0)
    let found = [memory.weights.count, memory.gradients.count, memory.optimizer.count]
    #expect(
      found == [stored * of.value, stored * of.gradient, stored * optimizer], "\(proof)")
  }
}

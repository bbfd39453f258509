import Executor
import PlanIR
import Proof
import TestSupport
import Testing

@Suite struct LayoutMatrixTests {
  static var cases: [ProofCase] {
    let meshes: [(LayoutName, [[Int]])] = [
      (.summa, [[2, 2], [2, 3], [4, 2], [4, 4]]),
      (.tesseract, [[2, 2, 2], [2, 2, 3], [1, 1, 4]]),
      (.threeDimensional, [[2, 2, 2], [1, 2, 3], [2, 1, 4]]),
      (.stationary, [[2, 2], [2, 4], [4, 2]]),
      (.sequence, [[2], [4], [8]]),
    ]
    var cases: [ProofCase] = []
    for isLlama in [false, true] {
      for (layout, shapes) in meshes {
        for shape in shapes {
          for gathers in GatherChoice.allCases {
            for form in layout == .summa || layout == .tesseract ? TableForm.allCases : [.gathered] {
              var proof = ProofCase()
              proof.isLlama = isLlama
              (proof.sample.heads, proof.sample.headWidth, proof.sample.hidden) = (12, 4, 48)
              proof.sample.wide = 96
              proof.sample.keyValueHeads = isLlama ? 3 : 12
              proof.sample.isTied = !isLlama
              proof.sample.normalisesHeads = isLlama
              if layout == .sequence || layout == .stationary {
                (proof.sample.heads, proof.sample.hidden) = (8, 32)
                proof.sample.keyValueHeads = isLlama ? 2 : 8
              }
              proof.workload.globalBatch = 12
              if [shape.first ?? 1, shape.last ?? 1].contains(4) { proof.workload.globalBatch = 16 }
              (proof.layout, proof.mesh, proof.gathersInputs) = (layout, shape, gathers)
              proof.gathersWeights = gathers
              proof.tableForm = form
              proof.settings.dtype = .float64
              cases.append(proof)
            }
          }
        }
      }
    }
    return cases
  }

  @Test(arguments: cases) func `a sharded step is the unsharded step`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }
}

import PlanIR
import TestSupport

/// The plans that are held against formulas.
enum FormulaCases {
  /// A model whose sizes every mesh below divides, of two layers and two micro-batches.
  static func base(_ layout: LayoutName, _ mesh: [Int]) -> ProofCase {
    var proof = ProofCase()
    (proof.layout, proof.mesh, proof.microBatches) = (layout, mesh, 2)
    (proof.sample.heads, proof.sample.keyValueHeads, proof.sample.headWidth) = (48, 48, 6)
    (proof.sample.hidden, proof.sample.wide, proof.sample.vocabulary) = (288, 1152, 1000)
    (proof.sample.positions, proof.workload.sequence) = (48, 48)
    proof.workload.globalBatch = 288
    return proof
  }

  static let meshes: [(LayoutName, [Int])] =
    [(.megatron, [4])]
    + [[2, 2], [4, 4], [2, 3], [3, 2], [8, 2], [4, 1], [1, 4]].map { (.summa, $0) }
    + [[2, 2, 2], [4, 4, 2], [3, 2, 2], [2, 1, 3], [1, 1, 4]].map { (.tesseract, $0) }
    + [[2, 2, 2], [3, 3, 3], [1, 2, 3], [2, 1, 4], [4, 2, 3]].map { (.threeDimensional, $0) }
    + [[2, 2], [2, 4], [4, 3], [1, 4], [6, 1]].map { (.stationary, $0) }
    + [[2], [4], [6]].map { (.sequence, $0) }

  /// Every mesh with what may be kept or gathered again, alone and beside data.
  static var gathers: [ProofCase] {
    meshes.flatMap { layout, mesh in
      GatherChoice.allCases.flatMap { inputs in
        GatherChoice.allCases.flatMap { weights in
          [1, 2].map { data in
            var proof = base(layout, mesh)
            (proof.gathersInputs, proof.gathersWeights, proof.data) = (inputs, weights, data)
            proof.workload.precision = data == 1 ? .mixed : .fp32
            proof.sequenceParallel = layout == .stationary && inputs == weights
            return proof
          }
        }
      }
    }
  }

  /// Every mesh with the forms of its tables, tied and not, and the Llama family.
  static var tables: [ProofCase] {
    meshes.flatMap { layout, mesh in
      let forms = layout == .summa || layout == .tesseract ? TableForm.allCases : [.gathered]
      return forms.flatMap { form in
        TableGradients.allCases.flatMap { gradients in
          [true, false].map { isTied in
            var proof = base(layout, mesh)
            (proof.tableForm, proof.tableGradients) = (form, gradients)
            (proof.sample.isTied, proof.isLlama) = (isTied, !isTied)
            if proof.isLlama { proof.sample.wide = 576 }
            proof.gathersWeights = gradients == .added ? .again : .saved
            proof.workload.precision = isTied ? .mixed : .bf16
            return proof
          }
        }
      }
    }
  }

  /// Products that loop over panels.
  static var stepped: [ProofCase] {
    tables.filter { $0.layout == .summa || $0.layout == .tesseract }.map { proof in
      var proof = proof
      proof.matmul = .stepped
      return proof
    }
  }

  static var all: [ProofCase] { gathers + tables + stepped }
}

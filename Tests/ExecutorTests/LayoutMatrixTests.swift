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
            for form in layout == .summa || layout == .tesseract ? TableForm.allCases : [.gathered]
            {
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
              if [shape.first ?? 1, shape.last ?? 1].contains(4) {
                proof.workload.globalBatch = 16
              }
              (proof.layout, proof.mesh, proof.gathersInputs) = (layout, shape, gathers)
              proof.gathersWeights = gathers
              proof.tableForm = form
              proof.tableGradients = gathers == .saved ? .added : .apart
              proof.settings.dtype = .float64
              cases.append(proof)
            }
          }
        }
      }
    }
    return cases
  }

  static var sharded: [ProofCase] {
    let all: [(LayoutName?, [Int], Int, [String])] = [
      (nil, [], 3, ["data"]), (.summa, [2, 2], 3, ["data"]), (.tesseract, [2, 1, 3], 1, ["depth"]),
      (.tesseract, [2, 2, 2], 3, ["data", "depth"]), (.threeDimensional, [2, 2, 1], 3, ["data"]),
      (.stationary, [2, 2], 3, ["data"]), (.sequence, [4], 1, ["tensor"]),
      (.sequence, [4], 3, ["data", "tensor"]),
    ]
    return all.flatMap { layout, mesh, data, over in
      GatherChoice.allCases.flatMap { gathers in
        [false, true].map { isLlama in
          var proof = ProofCase()
          proof.isLlama = isLlama
          (proof.layout, proof.mesh, proof.data, proof.weightsOver) = (layout, mesh, data, over)
          if layout == nil { proof.tensor = 2 }
          proof.sample.keyValueHeads = isLlama ? 2 : 8
          proof.sample.isTied = !isLlama
          proof.sample.normalisesHeads = isLlama
          (proof.gathersInputs, proof.gathersWeights) = (gathers, gathers)
          proof.tableGradients = gathers == .saved ? .added : .apart
          (proof.workload.globalBatch, proof.microBatches) = (24, 2)
          proof.workload.optimizer = .adamw
          proof.settings.dtype = .float64
          proof.settings.steps = 3
          return proof
        }
      }
    }
  }

  @Test(arguments: sharded) func `weights may be sharded over rows`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let error = try #require(verdict.parameterError)
    #expect(error < 1e-8, "\(proof)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  static var stepped: [ProofCase] {
    let all: [(LayoutName, [Int], Int, [String])] = [
      (.summa, [2, 2], 1, []), (.summa, [2, 3], 1, []), (.summa, [4, 2], 1, []),
      (.summa, [4, 4], 1, []), (.summa, [1, 4], 1, []), (.summa, [3, 1], 1, []),
      (.summa, [3, 2], 2, []), (.tesseract, [2, 2, 2], 1, []), (.tesseract, [2, 2, 3], 1, []),
      (.tesseract, [1, 1, 4], 1, []), (.summa, [2, 2], 3, ["data"]),
      (.tesseract, [2, 3, 2], 1, ["depth"]),
    ]
    return all.flatMap { layout, mesh, data, over in
      TableForm.allCases.flatMap { form in
        [false, true].map { isLlama in
          var proof = ProofCase()
          proof.isLlama = isLlama
          (proof.layout, proof.mesh, proof.data, proof.weightsOver) = (layout, mesh, data, over)
          (proof.sample.heads, proof.sample.headWidth, proof.sample.hidden) = (12, 4, 48)
          proof.sample.wide = 96
          proof.sample.keyValueHeads = isLlama ? 3 : 12
          proof.sample.isTied = !isLlama
          proof.sample.normalisesHeads = isLlama
          (proof.matmul, proof.tableForm) = (.stepped, form)
          (proof.workload.globalBatch, proof.microBatches) = (24, data == 1 ? 1 : 2)
          proof.settings.dtype = .float64
          return proof
        }
      }
    }
  }

  @Test(arguments: stepped) func `products may loop over panels`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    #expect(verdict.traffic.contains { $0.collective == "broadcast" } || proof.mesh == [1, 1, 4])
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  @Test(arguments: cases) func `a sharded step is the unsharded step`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }
}

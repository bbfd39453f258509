import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Every layout, mesh and choice against the unsharded reference: numbers, bytes and memory.
@Suite struct LayoutMatrixTests {
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

  @Test(arguments: LayoutMatrix.cases)
  func `every layout trains as the unsharded model does`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let error = try #require(verdict.parameterError)
    let tolerance = proof.settings.dtype == .float64 ? 1e-8 : 1e-4
    #expect(error < tolerance, "\(proof): parameters \(error)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }
}

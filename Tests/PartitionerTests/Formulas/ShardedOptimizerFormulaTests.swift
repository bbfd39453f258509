import PlanIR
import TestSupport
import Testing

/// ZeRO 1 and 2 (arXiv 1910.02054, sections 5.1 and 5.2): of each parameter's E local elements a data
/// rank updates one chunk, `floor(cE/d)..<floor((c+1)E/d)`. A data group moves E(d-1) of gradients,
/// once a step or, with ZeRO 2, every micro-batch, and E(d-1) of weights once a step.
@Suite struct ShardedOptimizerFormulaTests {
  /// Megatron beside data, or data alone; no data degree divides all parameters.
  static var cases: [ProofCase] {
    [1, 2].flatMap { zero in
      zip([3, 5, 7], Precision.allCases).flatMap { data, precision in
        Optimizer.allCases.flatMap { optimizer in
          [1, 2].map { tensor in
            var proof = FormulaCases.base(.megatron, [tensor])
            (proof.zero, proof.data) = (zero, data)
            proof.workload.globalBatch = 4 * data
            (proof.workload.precision, proof.workload.optimizer) = (precision, optimizer)
            return proof
          }
        }
      }
    }
  }

  /// Elements of every parameter on one device of a Megatron mesh.
  private func local(_ of: FormulaCase) -> [Int] {
    let (degree, hidden, wide) = (of.proof.mesh[0], of.hidden, of.proof.sample.wide)
    let (square, rectangle) = (hidden * hidden / degree, hidden * wide / degree)
    let layer =
      [square, square, square, square, rectangle, rectangle]
      + [hidden / degree, hidden / degree, hidden / degree, wide / degree]
      + Array(repeating: hidden, count: 6)
    let table = of.vocabulary(parts: degree) * hidden / degree
    return (0..<of.proof.sample.layers).flatMap { _ in layer }
      + [table, of.positions, hidden, hidden]
  }

  /// Bytes of an element's master weight, where there is one, and moments.
  private func state(_ proof: ProofCase) -> Int {
    let master = proof.workload.precision == .mixed ? 4 : 0
    let moment = proof.workload.precision == .bf16 ? 2 : 4
    return master + (proof.workload.optimizer == .adamw ? 2 * moment : 0)
  }

  @Test(arguments: cases)
  func `a rank keeps a chunk of optimizer state, with zero 2 of gradients too`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let local = local(of)
    let whole = local.reduce(0, +)
    let program = try proof.plan().program
    for rank in 0..<proof.data {
      let device = rank * proof.mesh[0]
      let chunk = local.reduce(0) {
        $0 + (rank + 1) * $1 / proof.data - rank * $1 / proof.data
      }
      var stored = MemoryUse()
      for parameter in program.parameters {
        for part in parameter.parts {
          let type = parameter.type(of: part)
          let count = type.chunk(on: device, in: program.mesh).count * parameter.repetitions
          stored.add(Bytes(count * program.precision.bytes(of: type.width)), part.bufferClass)
        }
      }
      #expect(stored.weights.count == whole * of.value)
      #expect(stored.optimizer.count == chunk * state(proof), "rank \(rank)")
      #expect(stored.gradients.count == (proof.zero == 1 ? whole : chunk) * of.gradient)
    }
    // The fullest device has the largest chunk of each.
    let memory = try of.predicted().memory
    let largest = local.reduce(0) { $0 + ($1 + proof.data - 1) / proof.data }
    #expect(memory.weights.count == whole * of.value)
    #expect(memory.optimizer.count == largest * state(proof))
    #expect(memory.gradients.count == (proof.zero == 1 ? whole : largest) * of.gradient)
  }

  @Test(arguments: cases)
  func `gradients are scattered to chunks, and chunks of weights gathered`(
    proof: ProofCase
  ) throws {
    let of = try FormulaCase(proof)
    let (degree, others) = (proof.mesh[0], proof.data - 1)
    let moved = local(of).reduce(0, +) * degree * others
    let times = proof.zero == 1 ? 1 : proof.microBatches
    let expected: Traffic = [
      "data reduce-scatter": moved * of.gradient * times, "data all-gather": moved * of.value,
      "data all-reduce": 2 * degree * others * of.statistic,
    ]
    let step = try of.step()
    for name in ["reduce-scatter", "all-gather", "all-reduce"].map({ "data " + $0 }) {
      #expect(step.bytes[name] == expected.bytes[name], "\(proof): \(name)")
    }
  }

  /// What is partial over rows as well is scattered over data first, then its chunk is summed.
  @Test(arguments: [1, 2], [2, 3])
  func `chunks are summed over the other axes that hold copies`(zero: Int, data: Int) throws {
    var proof = FormulaCases.base(.summa, [2, 3])
    (proof.zero, proof.data) = (zero, data)
    let of = try FormulaCase(proof)
    let (rows, others) = (proof.mesh[0], data - 1)
    let vectors = of.streamVectors + of.headVectors + of.wideVectors
    let whole = of.weights + vectors * rows
    let sum: Traffic = ["row all-reduce": 2 * vectors * (rows - 1) * of.gradient]
    let scatter: Traffic = ["data reduce-scatter": whole * others * of.gradient]
    let gather: Traffic = ["data all-gather": whole * others * of.value]
    let once =
      of.traffic(FormulaCase.layer, .reduceGradients)
      + of.traffic(FormulaCase.layer, .optimize)
    let expected = sum + gather + (zero == 1 ? scatter : [:])
    let differences = once.differences(from: expected)
    #expect(differences.isEmpty, "\(proof): \(differences)")
    let each = of.traffic(FormulaCase.layer, .weightGradient).bytes["data reduce-scatter"]
    #expect(each == (zero == 1 ? nil : whole * others * of.gradient))
  }
}

import Executor
import Partitioner
import PlanIR
import Proof
import TestSupport
import Testing

/// Shardings that a model's author wrote on values are where the plan stores them, and change no
/// number.
@Suite struct AnnotationTests {
  struct Case: CustomStringConvertible {
    var layout: LayoutName?
    var mesh: [Int] = []
    var block: String
    var value: String
    var sharding: [[String]]

    var description: String { "\(layout?.rawValue ?? "megatron") \(block)/\(value) \(sharding)" }
  }

  static let cases: [Case] = [
    Case(block: "attention", value: "norm", sharding: [["data"], ["tensor"], []]),
    Case(block: "mlp", value: "active", sharding: [["data"], ["tensor"], []]),
    Case(block: "mlp", value: "output", sharding: [["data"], ["tensor"], []]),
    Case(block: "attention", value: "input", sharding: [["data"], [], ["tensor"]]),
    Case(block: "mlp", value: "up.weight", sharding: [["tensor"], []]),
    Case(block: "mlp", value: "up.weight", sharding: [["tensor:(2)2"], ["tensor:(1)2"]]),
    Case(block: "attention", value: "norm.gain", sharding: [["tensor"]]),
    Case(
      layout: .summa, mesh: [2, 2], block: "mlp", value: "norm",
      sharding: [["data"], ["row"], ["col"]]),
    Case(
      layout: .threeDimensional, mesh: [1, 2, 2], block: "attention", value: "projected",
      sharding: [["data", "i"], ["k"], ["j"]]),
    Case(
      layout: .stationary, mesh: [2, 2], block: "mlp", value: "down",
      sharding: [["data"], ["x", "y"], []]),
  ]

  static func proof(_ annotated: Case) -> ProofCase {
    var proof = ProofCase()
    (proof.layout, proof.mesh, proof.tensor, proof.data) = (
      annotated.layout, annotated.mesh, 4, 2
    )
    proof.settings.dtype = .float64
    proof.annotations = [annotated.block: [annotated.value: annotated.sharding]]
    return proof
  }

  @Test(arguments: cases) func `a written sharding is honoured`(annotated: Case) throws {
    let proof = Self.proof(annotated)
    let faults = try proof.run().faults
    #expect(faults.isEmpty, "\(annotated): \(faults)")
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    let explanation = try Partitioner.explain(
      training, choices: proof.choices, cluster: SyntheticCluster.cluster)
    let operand = explanation.blocks.first { $0.name == annotated.block }?
      .operands.first { $0.name == annotated.value }
    // Axes of one are left out of the mesh.
    let parts = annotated.sharding.map { axes in
      "{" + axes.filter { $0 != "i" }.joined(separator: ", ") + "}"
    }
    let found = operand?.sharding ?? "none"
    #expect(found == "[" + parts.joined(separator: ", ") + "]", "\(annotated)")
  }

  @Test func `what cannot be met is named`() throws {
    var annotated = Self.cases[0]
    annotated.sharding = [["data"], ["row"], []]
    let proof = Self.proof(annotated)
    let violation = #expect(throws: ConstraintViolation.self) { try proof.plan() }
    let text = "\(try #require(violation))"
    #expect(text.contains("`norm` of block `attention`"))
    #expect(text.contains("axis `row`"))
    #expect(text.contains("--layout summa"))
  }

  @Test func `the search keeps to what was written`() throws {
    let proof = Self.proof(Self.cases[0])
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    let answer = Search.run(
      SearchRequest(training: training, cluster: SyntheticCluster.cluster, devices: 4))
    #expect(!answer.plans.isEmpty)
    let layouts = Set(answer.plans.map(\.choices.layout))
    #expect(layouts.isSubset(of: [.megatron, .sequence]), "\(layouts)")
  }

  @Test func `a value that has two names where nothing is dropped has one sharding`() throws {
    var proof = ProofCase()
    proof.tensor = 4
    proof.annotations["embedding"] = [
      "placed": [["tensor"], [], []], "dropped": [[], [], ["tensor"]],
    ]
    let error = #expect(throws: ModelError.self) { try proof.plan() }
    #expect(error?.place == "block embedding, shardings of `dropped` and `placed`")
    proof.workload.dropout = 0.1
    #expect(throws: Never.self) { try proof.plan() }
    proof.workload.dropout = 0
    proof.annotations["embedding"]?["placed"] = [[], [], ["tensor"]]
    #expect(throws: Never.self) { try proof.plan() }
  }
}

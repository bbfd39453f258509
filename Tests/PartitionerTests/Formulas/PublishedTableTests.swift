import PlanIR
import TestSupport
import Testing

/// The published amounts of embedding and head on one device, of a tied table whose two gradients
/// are scattered apart: multiples of E, of the table's vh and of the logits' Mv.
@Suite struct PublishedTableTests {
  struct Entry: Sendable {
    var layout: LayoutName
    var mesh: [Int]
    var form = TableForm.gathered
    var matmul = MatmulSchedule.gathered
    var gathers = GatherChoice.again
    var embedding, head: Amounts
  }

  struct Amounts: Sendable {
    var elements = 0.0
    var table = 0.0
    var logits = 0.0
  }

  private static let optimus = Amounts(table: 0.5)

  static let published: [Entry] = [
    // 2E(p-1)/p forward, as much backward.
    Entry(
      layout: .megatron, mesh: [4], embedding: .init(elements: 1.5), head: .init(elements: 1.5)),
    // 2(q-1)vh/q^2 and (q-1)(2Mv + 3vh)/q^2; loops over panels move the logits' gradient twice.
    Entry(
      layout: .summa, mesh: [2, 2], embedding: optimus, head: .init(table: 0.75, logits: 0.5)),
    Entry(
      layout: .summa, mesh: [2, 2], matmul: .stepped, embedding: optimus,
      head: .init(table: 0.75, logits: 0.75)),
    Entry(
      layout: .summa, mesh: [4, 4], embedding: .init(table: 0.375),
      head: .init(table: 0.5625, logits: 0.375)),
    // 2(q-1)E/q^2 where looked-up rows are scattered.
    Entry(
      layout: .summa, mesh: [2, 2], form: .scattered, embedding: .init(elements: 0.5),
      head: .init(table: 0.75, logits: 0.5)),
    // 2(q-1)(E + vh)/q^2 and 3(q-1)(E + vh)/q^2 where the table lies as a head's weight.
    Entry(
      layout: .summa, mesh: [4, 4], form: .head, embedding: .init(elements: 0.375, table: 0.375),
      head: .init(elements: 0.5625, table: 0.5625)),
    // SUMMA's on a d-th of the rows.
    Entry(
      layout: .tesseract, mesh: [2, 2, 4], embedding: optimus,
      head: .init(table: 0.75, logits: 0.125)),
    Entry(
      layout: .tesseract, mesh: [2, 2, 4], form: .head,
      embedding: .init(elements: 0.125, table: 0.5),
      head: .init(elements: 0.1875, table: 0.75)),
    // 2(l-1)(E + vh)/l^3, 2(l-1)(E + vh + Mv)/l^3, again (l-1)(3E + 3vh + 2Mv)/l^3.
    Entry(
      layout: .threeDimensional, mesh: [2, 2, 2], gathers: .saved,
      embedding: .init(elements: 0.25, table: 0.25),
      head: .init(elements: 0.25, table: 0.25, logits: 0.25)),
    Entry(
      layout: .threeDimensional, mesh: [2, 2, 2], embedding: .init(elements: 0.25, table: 0.25),
      head: .init(elements: 0.375, table: 0.375, logits: 0.25)),
    // 2E(x-1)/x + 2E(y-1)/p, and E(x-1)/x more where the head's input is gathered again.
    Entry(
      layout: .stationary, mesh: [2, 4], gathers: .saved, embedding: .init(elements: 1.75),
      head: .init(elements: 1.75)),
    Entry(
      layout: .stationary, mesh: [2, 4], embedding: .init(elements: 1.75),
      head: .init(elements: 2.25)),
    Entry(layout: .sequence, mesh: [4], embedding: .init(), head: .init()),
  ]

  @Test(arguments: published)
  func `embedding and head send what the published table says`(entry: Entry) throws {
    var proof = FormulaCases.base(entry.layout, entry.mesh)
    (proof.tableForm, proof.tableGradients, proof.matmul) = (entry.form, .apart, entry.matmul)
    (proof.gathersInputs, proof.gathersWeights) = (entry.gathers, entry.gathers)
    proof.workload.precision = .fp32
    let of = try FormulaCase(proof)
    let formulas = formulas(of)
    for (block, amounts) in [("embedding", entry.embedding), ("head", entry.head)] {
      var found = 0
      for phase in [Phase.forward, .inputGradient, .weightGradient] {
        found += of.traffic([block], phase, .linears).total
      }
      let expected =
        amounts.elements * Double(of.elements) + amounts.table * Double(formulas.table)
        + amounts.logits * Double(formulas.logits)
      let devices = entry.mesh.reduce(1, *)
      #expect(Double(found) == expected * Double(4 * devices), "\(block) of \(entry)")
    }
  }

  @Test(arguments: [TableForm.gathered, .head], [[2, 2, 1], [2, 3, 2], [4, 2, 1]])
  func `adding a tied table's gradients before they are scattered spares one scattering`(
    form: TableForm, mesh: [Int]
  ) throws {
    var proof = FormulaCases.base(.tesseract, mesh)
    proof.tableForm = form
    let added = try FormulaCase(proof)
    proof.tableGradients = .apart
    let apart = try FormulaCase(proof)
    // (q-1)vh/q^2 on each device of each layer of the mesh, every micro-batch, at gradients' width.
    let spared = (mesh[0] - 1) * formulas(added).table * mesh[2] * 4 * proof.microBatches
    let found = (try apart.step().total, try added.step().total)
    #expect(found.0 - found.1 == spared)
  }

  @Test(arguments: [[2, 2, 2], [3, 3, 3], [4, 2, 3]])
  func `of a box it spares the scattering over i`(mesh: [Int]) throws {
    var proof = FormulaCases.base(.threeDimensional, mesh)
    let added = try FormulaCase(proof)
    proof.tableGradients = .apart
    let apart = try FormulaCase(proof)
    let spared = (mesh[0] - 1) * formulas(added).table * 4 * proof.microBatches
    let found = (try apart.step().total, try added.step().total)
    #expect(found.0 - found.1 == spared)
  }
}

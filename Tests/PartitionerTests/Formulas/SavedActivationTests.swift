import PlanIR
import TestSupport
import Testing

/// What a device keeps of a layer for its backward pass, in bytes: 16-bit values, 1-byte dropout
/// masks, scores kept (arXiv 2205.05198, equation 1: `sbh(34 + 5as/h)` of the whole), and what the
/// papers leave out, two statistics of 4 bytes for each of two norms and each row that a device has.
///
/// The 34 of sbh are: norms' inputs 4, their results 4, queries, keys and values 6, contexts 2,
/// the MLP's inner activations 8 before and 8 after the function, masks 2.
@Suite struct SavedActivationTests {
  private func proof(_ layout: LayoutName, _ mesh: [Int], _ gathers: GatherChoice) -> ProofCase {
    var proof = FormulaCases.base(layout, mesh)
    (proof.gathersInputs, proof.gathersWeights) = (gathers, gathers)
    (proof.workload.attention, proof.workload.dropout) = (.unfused, 0.1)
    return proof
  }

  /// Five bytes of each score: its probability before and after dropout, and the mask.
  private func scores(_ of: FormulaCase) -> Int {
    5 * of.proof.sample.heads * of.proof.workload.sequence * of.rows
  }

  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .summa || $0.0 == .tesseract }.map(\.1))
  func `SUMMA and Tesseract divide all a layer keeps by all devices`(mesh: [Int]) throws {
    let layout = mesh.count == 2 ? LayoutName.summa : .tesseract
    let of = try FormulaCase(proof(layout, mesh, .again))
    let (devices, column) = (mesh.reduce(1, *), mesh[1])
    let statistics = 16 * of.rows * column
    #expect(of.keptOfLayer == (34 * of.elements + scores(of) + statistics) / devices)
    var stepped = of.proof
    (stepped.matmul, stepped.gathersInputs, stepped.gathersWeights) = (.stepped, .saved, .saved)
    #expect(try FormulaCase(stepped).keptOfLayer == of.keptOfLayer)
  }

  /// Derived: of the 34, the 14 of linears' inputs are kept whole along the columns, and weights
  /// along the rows.
  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .summa || $0.0 == .tesseract }.map(\.1))
  func `what SUMMA gathered it may keep, inputs by rows and weights by columns`(
    mesh: [Int]
  ) throws {
    let layout = mesh.count == 2 ? LayoutName.summa : .tesseract
    let of = try FormulaCase(proof(layout, mesh, .saved))
    let (devices, row, column) = (mesh.reduce(1, *), mesh[0], mesh[1])
    let inputs = 14 * of.elements * column
    let weights = row > 1 ? 2 * of.weights / column : 0
    let kept = (20 * of.elements + inputs + scores(of) + 16 * of.rows * column) / devices
    #expect(of.keptOfLayer == kept + weights)
  }

  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .threeDimensional }.map(\.1))
  func `a box divides by all devices what is gathered again, and saved gathers by two axes`(
    mesh: [Int]
  ) throws {
    let (i, j, k) = (mesh[0], mesh[1], mesh[2])
    let again = try FormulaCase(proof(.threeDimensional, mesh, .again))
    let statistics = 16 * again.rows / (i * j)
    let (elements, scores) = (again.elements, scores(again))
    #expect(again.keptOfLayer == (34 * elements + scores) / (i * j * k) + statistics)
    // On a cube 14/l^2 + 20/l^3, and 24h^2/l^2 of weights.
    let saved = try FormulaCase(proof(.threeDimensional, mesh, .saved))
    let inputs = 4 * elements / (i * k) + 10 * elements / (i * j)
    let weights = i > 1 ? 2 * saved.weights / (j * k) : 0
    let kept = (20 * elements + scores) / (i * j * k) + inputs + weights
    #expect(saved.keptOfLayer == kept + statistics)
  }

  /// Derived: without sequence parallelism the 10 that lie along the stream (norms' inputs and
  /// results, two masks) are divided by x, the 24 others by xy; x = 1 is Megatron's `10 + 24/t`.
  /// Saved gathers are contexts and inner activations, 10 whole along x, and with sequence
  /// parallelism norms' results, 4 whole along y.
  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .stationary }.map(\.1), [false, true])
  func `weight-stationary devices keep the stream by x and the rest by x and y`(
    mesh: [Int], isParallel: Bool
  ) throws {
    let (x, y) = (mesh[0], mesh[1])
    func kept(_ gathers: GatherChoice) throws -> FormulaCase {
      var proof = proof(.stationary, mesh, gathers)
      proof.sequenceParallel = isParallel
      return try FormulaCase(proof)
    }
    let again = try kept(.again)
    let (elements, rows) = (again.elements, again.rows / (isParallel ? y : 1))
    let stream = 10 * elements / (isParallel ? x * y : x)
    let inner = (24 * elements + scores(again)) / (x * y)
    #expect(again.keptOfLayer == stream + inner + 16 * rows)
    let saved = try kept(.saved)
    let gathered = 10 * elements / y - 10 * elements / (x * y)
    let norms = isParallel ? 4 * elements / x - 4 * elements / (x * y) : 0
    #expect(saved.keptOfLayer == stream + inner + 16 * rows + gathered + norms)
  }

  /// Derived: a context is kept as heads have it or as rows, the same elements either way.
  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .sequence }.map(\.1), GatherChoice.allCases)
  func `sequence rows keep their share of everything`(
    mesh: [Int], gathers: GatherChoice
  ) throws {
    let of = try FormulaCase(proof(.sequence, mesh, gathers))
    #expect(
      of.keptOfLayer == (34 * of.elements + scores(of) + 16 * of.rows) / mesh[0])
  }

  /// Fused attention keeps no scores and no mask of them but 4 bytes of log-sum-exp for each row and
  /// head, and reads contexts backward as heads have them: beside the gathered form, which their
  /// linear's weight gradient reads, they are kept as stored, 2 bytes more.
  @Test(arguments: FormulaCases.meshes.filter { $0.0 == .summa || $0.0 == .threeDimensional })
  func `a context that is kept gathered is kept for fused attention too`(
    layout: LayoutName, mesh: [Int]
  ) throws {
    var unfused = proof(layout, mesh, .saved)
    unfused.workload.dropout = 0
    var fused = unfused
    fused.workload.attention = .fused
    let of = try FormulaCase(fused)
    let devices = mesh.reduce(1, *)
    let heads = unfused.sample.heads
    let probabilities = 2 * heads * unfused.workload.sequence * of.rows / devices
    let sums = 4 * heads * of.rows / devices
    // Where nothing is gathered the two forms are one.
    let width = layout == .summa ? mesh[1] : mesh[2]
    let context = width > 1 ? 2 * of.elements / devices : 0
    let difference = sums + context - probabilities
    #expect(try of.keptOfLayer == FormulaCase(unfused).keptOfLayer + difference)
  }
}

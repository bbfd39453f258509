import PlanIR

/// A program with its calls' buffers resolved to places, the same for all devices.
struct CompiledProgram {
  let program: Program
  let precision: RunPrecision
  /// Where each block stands in the chain.
  let chainIndex: [BlockPosition: Int]
  /// Every axes list that a collective runs over.
  let axesLists: Set<[AxisReference]>
  private let parameterIndex: [String: Int]
  /// Which repetitions of which parameters each stage holds.
  let holdings: Holdings

  init(_ program: Program, dtype: DType) {
    self.program = program
    precision = RunPrecision(dtype, planned: program.precision)
    chainIndex = program.chainIndex
    holdings = Holdings(program)
    axesLists = Set(
      program.bodies.flatMap(\.instructions).compactMap { instruction in
        if case .start(_, _, let axes, _, _) = instruction { axes } else { nil }
      })
    parameterIndex = Dictionary(
      uniqueKeysWithValues: program.parameters.enumerated().map { ($1.name, $0) })
  }

  func parameter(_ name: String) throws(RunError) -> Int {
    guard let index = parameterIndex[name] else {
      throw RunError.malformedProgram("no parameter \(name) is stored")
    }
    return index
  }
}

package import PlanIR

/// What a run will hold, without running: the executed ledger's peak of one device.
package enum MemoryDemand {
  /// Bytes at the fullest instant of the fullest device when values are held as `dtype`.
  package static func peakBytes(of program: Program, dtype: DType) -> Int {
    let compiled = CompiledProgram(program, dtype: dtype)
    return MemoryWalk.peak(of: program, on: program.mesh.deviceCount - 1) {
      compiled.runType($0).width
    }
  }
}

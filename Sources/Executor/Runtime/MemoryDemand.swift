package import PlanIR

/// What a run will hold, without running: the executed ledger's peak of one device.
package enum MemoryDemand {
  /// Bytes at the fullest instant of the fullest device in a run of `dtype`.
  package static func peakBytes(of program: Program, dtype: DType) -> Int {
    let precision = RunPrecision(dtype, planned: program.precision)
    let last = program.mesh.deviceCount - 1
    let holdings = Holdings(program)
    return program.stages.indices.reduce(0) { most, stage in
      let device = program.mesh.peer(of: last, on: stage)
      return max(
        most,
        MemoryWalk.peak(of: program, on: device, holdings: holdings) {
          precision.heldType(of: $0).width
        })
    }
  }
}

import PlanIR

/// Runs compiled kernels on a device over operands that move through its memory.
///
/// Numbers are in [1/4, 3/4) at first. What kernels that work in place make of them stays: a GPU takes as
/// long for any number.
final class CUDAKernelBench {
  private let device: CUDADevice
  private let compiler: CUDACompiler
  private let timer: CUDATimer
  private var ring: CUDARing?
  private var ids: CUDABuffer?
  /// Buffers of ``CUDAKernel/tables``.
  private var tables: [Int: CUDABuffer] = [:]
  private var modules: [CUDAModule] = []

  init(_ device: CUDADevice, _ compiler: CUDACompiler, _ timer: CUDATimer) {
    (self.device, self.compiler, self.timer) = (device, compiler, timer)
  }

  /// Compiles `kernel` and makes memory for it.
  func prepare(_ kernel: CUDAKernel) throws(CUDAError) {
    modules = []
    for launch in kernel.launches { modules.append(try compiler.module(of: launch)) }
    let window = kernel.operands.reduce(0) { $0 + CUDARing.aligned($1.bytes) }
    if (ring?.capacity ?? 0) < window {
      ring = nil
      ring = try CUDARing(window: window, dtype: .bfloat16, lowest: 0.25, on: device)
    }
    tables = [:]
    for (place, values) in kernel.tables { tables[place] = try buffer(values) }
    let count = kernel.operands.filter { $0.dtype == .int64 }.map(\.count).max() ?? 0
    ids = nil
    if count > 0 { ids = try buffer((0..<count).map { Int64($0 * 7919 % kernel.vocabulary) }) }
  }

  /// Gives all memory back.
  func free() { (ring, ids, tables, modules) = (nil, nil, [:], []) }

  /// Seconds of `repetitions` runs of `kernel`, after ``prepare(_:)`` for it.
  func seconds(of kernel: CUDAKernel, repetitions: Int) throws(CUDAError) -> Double {
    try timer.seconds { () throws(CUDAError) in
      for _ in 0..<repetitions {
        let addresses = addresses(kernel.operands)
        for (launch, module) in zip(kernel.launches, modules) {
          try module.start(launch, at: addresses)
        }
      }
    }
  }

  private func addresses(_ operands: [CUDAOperand]) -> [UInt64] {
    guard let ring else { preconditionFailure("a kernel without memory") }
    return operands.enumerated().map { place, operand in
      if let table = tables[place] { return table.address }
      if operand.dtype == .int64, let ids { return ids.address }
      return ring.window(bytes: operand.bytes)
    }
  }

  private func buffer<Element>(_ values: [Element]) throws(CUDAError) -> CUDABuffer {
    let buffer = try CUDABuffer(
      bytes: max(1, values.count * MemoryLayout<Element>.stride), on: device)
    let result = values.withUnsafeBytes { bytes -> Result<Void, CUDAError> in
      Result { () throws(CUDAError) in try buffer.upload(bytes) }
    }
    try result.get()
    return buffer
  }
}

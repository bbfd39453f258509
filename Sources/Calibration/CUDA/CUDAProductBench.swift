import PlanIR

/// Runs products on a device over operands that move through its memory.
final class CUDAProductBench {
  private let device: CUDADevice
  private let blas: CUDABLAS
  private let timer: CUDATimer
  private var dtype: DType?
  private var inputs: CUDARing?
  private var outputs: CUDARing?

  init(_ device: CUDADevice, _ blas: CUDABLAS, _ timer: CUDATimer) {
    (self.device, self.blas, self.timer) = (device, blas, timer)
  }

  /// Makes memory for `task`, where what is there is too small or of another type.
  func prepare(_ task: CUDAProduct) throws(CUDAError) {
    let type = task.arithmetic.dtype
    if dtype != type { free() }
    let (inputs, outputs) = (CUDARing.aligned(task.aBytes) + task.bBytes, task.cBytes)
    if (self.inputs?.capacity ?? 0) < inputs {
      self.inputs = nil
      self.inputs = try CUDARing(window: inputs, dtype: type, on: device)
    }
    if (self.outputs?.capacity ?? 0) < outputs {
      self.outputs = nil
      self.outputs = try CUDARing(window: outputs, dtype: type, on: device)
    }
    dtype = type
  }

  /// Gives all memory back.
  func free() { (inputs, outputs, dtype) = (nil, nil, nil) }

  /// Seconds of `repetitions` runs of `task`, after ``prepare(_:)`` for it.
  func seconds(of task: CUDAProduct, repetitions: Int) throws(CUDAError) -> Double {
    guard let inputs, let outputs else { preconditionFailure("a product without memory") }
    return try timer.seconds { () throws(CUDAError) in
      for _ in 0..<repetitions {
        let offset = CUDARing.aligned(task.aBytes)
        let a = inputs.window(bytes: offset + task.bBytes)
        try blas.multiply(
          task, a, a + UInt64(offset), into: outputs.window(bytes: task.cBytes))
      }
    }
  }
}

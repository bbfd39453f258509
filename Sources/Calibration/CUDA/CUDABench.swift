import PlanIR

/// Runs whatever is measured on a GPU. Products, kernels and copies come in turns: those that are next get
/// all the memory.
final class CUDABench: TaskBench {
  private let products: CUDAProductBench
  private let kernels: CUDAKernelBench
  private let copies: CUDACopyBench
  /// Best floating-point operations a second so far.
  private var best: [CUDAArithmetic: Double] = [:]

  init(_ device: CUDADevice, _ blas: CUDABLAS, _ compiler: CUDACompiler) throws(CUDAError) {
    let timer = try CUDATimer(device)
    products = CUDAProductBench(device, blas, timer)
    kernels = CUDAKernelBench(device, compiler, timer)
    copies = CUDACopyBench(device, timer)
  }

  func prepare(_ task: CUDATask) throws {
    switch task {
    case .product(let product):
      kernels.free()
      copies.free()
      try products.prepare(product)
    case .kernel(let kernel, _):
      products.free()
      copies.free()
      try kernels.prepare(kernel)
    case .copy(let copy):
      products.free()
      kernels.free()
      try copies.prepare(copy)
    }
  }

  func seconds(of task: CUDATask, repetitions: Int) throws -> Double {
    switch task {
    case .product(let product):
      try products.seconds(of: product, repetitions: repetitions)
    case .kernel(let kernel, _): try kernels.seconds(of: kernel, repetitions: repetitions)
    case .copy(let copy): try copies.seconds(of: copy, repetitions: repetitions)
    }
  }

  /// Seconds one run of `task` takes at least: of a product by its arithmetic and the best rate so far,
  /// before anything is known of its type by one cube that is run for it; of others by what they touch.
  func expectedSeconds(of task: CUDATask) throws -> Double {
    guard case .product(let task) = task else { return task.bytes / Self.mostBytes }
    if best[task.arithmetic] == nil,
      let cube = MatmulProduct(m: Self.extent, n: Self.extent, k: Self.extent)
    {
      let probe = CUDATask.product(CUDAProduct(cube, in: task.arithmetic))
      try prepare(probe)
      _ = try seconds(of: probe, repetitions: 1)
      note(probe, seconds: try seconds(of: probe, repetitions: 3) / 3)
    }
    return task.product.flops / (best[task.arithmetic] ?? .infinity)
  }

  func note(_ task: CUDATask, _ timing: Timing) {
    note(task, seconds: timing.medianNanoseconds * 1e-9)
  }

  private func note(_ task: CUDATask, seconds: Double) {
    guard case .product(let task) = task, seconds > 0 else { return }
    best[task.arithmetic] = max(best[task.arithmetic] ?? 0, task.product.flops / seconds)
  }

  /// A cube that keeps every GPU busy, and none for long: 17 GFLOP.
  private static let extent = 2048
  /// Bytes a second that no GPU moves.
  private static let mostBytes = 2e13
}

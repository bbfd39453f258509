import Foundation
import Kernels
import PlanIR
import Synchronization

/// What this machine's matrix products reach by themselves: every core runs them, on one BLAS thread
/// each, at the same time.
enum Machine {
  static let cores = ProcessInfo.processInfo.activeProcessorCount

  /// The rate of `products`, one after the other, over and over for about `seconds`.
  static func rate(of products: [MatmulShape], seconds: Double) -> Rate {
    BLASLibrary.setThreads(1)
    let cpu = Mutex(0.0)
    let flops = Mutex(0.0)
    let start = Clocks.wall
    let group = DispatchGroup()
    for _ in 0..<cores {
      group.enter()
      let thread = Thread {
        let (worked, used) = run(products, until: start + seconds)
        flops.withLock { $0 += worked }
        cpu.withLock { $0 += used }
        group.leave()
      }
      thread.start()
    }
    group.wait()
    let done = flops.withLock { $0 }
    return Rate(wall: done / (Clocks.wall - start), cpu: done / cpu.withLock { $0 })
  }

  /// Operations and CPU seconds of whole rounds over `products` on the calling thread.
  private static func run(_ products: [MatmulShape], until end: Double) -> (Double, Double) {
    let operands = Operands(products)
    var flops = 0.0
    let start = Clocks.thread
    repeat {
      for product in products {
        operands.multiply(product)
        flops += Double(product.flops)
      }
    } while Clocks.wall < end
    return (flops, Clocks.thread - start)
  }
}

/// Memory for the largest of some products.
private final class Operands {
  private let (a, b, c): (TensorView, TensorView, TensorView)

  init(_ products: [MatmulShape]) {
    func view(_ count: (MatmulShape) -> Int) -> TensorView {
      let count = products.map(count).max() ?? 0
      let base = UnsafeMutableRawPointer.allocate(
        byteCount: count * DType.float32.width, alignment: 64)
      let values = base.bindMemory(to: Float.self, capacity: count)
      for index in 0..<count { values[index] = Float((index * 7919) % 4099) / 4099 - 0.5 }
      return TensorView(base: base, dtype: .float32, count: count)
    }
    a = view { $0.m * $0.k }
    b = view { $0.k * $0.n }
    c = view { $0.m * $0.n }
  }

  deinit { for view in [a, b, c] { view.base.deallocate() } }

  func multiply(_ product: MatmulShape) {
    MatmulKernels.multiply(
      a, b, into: c, m: product.m, n: product.n, k: product.k, transposeA: product.transposeA,
      transposeB: product.transposeB)
  }
}

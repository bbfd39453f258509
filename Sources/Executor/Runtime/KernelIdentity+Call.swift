package import PlanIR

#if canImport(Glibc)
  import Glibc
#endif

extension KernelCall {
  /// Under what this call's time is kept: a product by its sizes, anything else by its name with what
  /// changes its time, and the sizes that do.
  package func identity(in body: Body) -> KernelIdentity {
    guard kind == .operation(.matmul) else {
      return KernelIdentity(kernel: timedName, shape: timedShape(in: body))
    }
    let shape = MatmulShape(
      a: body.buffers[reads[0]].type, b: body.buffers[reads[1]].type,
      c: body.buffers[writes[0]].type)
    return KernelIdentity(
      kernel: kind.name, shape: [shape.m, shape.n, shape.k], transposition: shape.transposition)
  }
}

/// The CPU time of the calling thread.
enum ThreadClock {
  /// Seconds since the thread began to run.
  static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Seconds that reading it takes.
  static var reading: Double {
    let (count, start) = (1000, now)
    for _ in 1..<count { _ = now }
    return (now - start) / Double(count)
  }
}

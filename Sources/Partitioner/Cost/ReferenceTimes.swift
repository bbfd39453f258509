import PlanIR

/// Rough times, whose multiples are interpolated where times were measured: see ``MeasuredTimes``. Of
/// their constants only the proportions matter; where each of three terms is the largest is roughly
/// where it is on a core of a 2022 server (EPYC 9004: 3 GHz, AVX-512, one core's share of memory).
enum ReferenceTimes {
  /// What any kernel takes to start.
  private static let start = 1e-6
  /// FLOP/s of products in float32.
  static let productFlops = 1e11
  /// FLOP/s of kernels that are no product alone.
  private static let kernelFlops = 2e10
  /// Elements a second to and from memory.
  private static let elements = 2.5e9
  /// What threads take to meet.
  private static let meeting = 5e-6

  /// Seconds of the product of m x k and k x n.
  static func product(_ m: Int, _ n: Int, _ k: Int) -> Double {
    let (m, n, k) = (Double(m), Double(n), Double(k))
    return start + 2 * m * n * k / productFlops + (m * k + k * n + m * n) / elements
  }

  /// Seconds of another kernel.
  static func kernel(_ amount: KernelAmount) -> Double {
    start + Double(amount.flops) / kernelFlops + Double(amount.elements) / elements
  }

  /// Seconds of a collective of `devices` on `count` elements.
  static func collective(devices: Int, elements count: Int) -> Double {
    meeting + Double(count) / elements
  }
}

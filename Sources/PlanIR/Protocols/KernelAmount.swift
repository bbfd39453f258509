/// How much a kernel has to do, whatever the width of its elements: by this times of one kernel are
/// compared and interpolated.
package struct KernelAmount: Hashable, Sendable, Codable {
  /// Elements read and written, those that are added to twice.
  package var elements: Int
  /// Operations of the arithmetic units; 0 where memory alone bounds the kernel.
  package var flops: Int

  /// `elements` to touch and `flops` to compute.
  package init(elements: Int, flops: Int) {
    self.elements = elements
    self.flops = flops
  }
}

/// The kernel that a time is of, as a number that stands for its name: quick to compare, the same in
/// every process.
package struct TimedKernel: Hashable, Sendable {
  /// The name's FNV-1a hash, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv).
  private let code: UInt64

  /// The kernel called `name`, such as `norm-apply.rms`.
  package init(_ name: String) {
    code = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

extension TimedKernel: Comparable {
  package static func < (left: TimedKernel, right: TimedKernel) -> Bool { left.code < right.code }
}

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

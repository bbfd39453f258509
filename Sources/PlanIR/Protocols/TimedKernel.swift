/// The kernel that a time is of, as a number that stands for its name: quick to compare, the same in
/// every process.
package struct TimedKernel: Hashable, Sendable {
  /// The name's FNV-1a hash, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv).
  private var code: UInt64 = 0xcbf2_9ce4_8422_2325

  /// The kernel called `name`, such as `norm-apply.rms`.
  package init(_ name: String) { add(name) }

  /// The kernel called ``KernelCall/timedName`` of `call`. The name itself is not made: a search asks
  /// for very many.
  package init(_ call: KernelCall) {
    add(call.kind.name)
    for part in call.timedVariants {
      add(".")
      add(part)
    }
  }

  private mutating func add(_ text: String) {
    for byte in text.utf8 { code = (code ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }
}

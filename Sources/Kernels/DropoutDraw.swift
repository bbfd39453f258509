import PlanIR

/// The draw that keeps or drops an element, by its global index.
struct DropoutDraw {
  private let generator: CounterGenerator
  private let threshold: UInt64

  /// A uniform number k * 2^-53 is at least p just where k is at least p * 2^53 rounded up, so the
  /// draw compares integers.
  init(generator: CounterGenerator, probability: Double) {
    precondition((0...1).contains(probability), "a probability outside 0...1")
    self.generator = generator
    threshold = UInt64((probability * 0x1p53).rounded(.up))
  }

  /// Writes 1 for each of `count` elements from global index `first` on that is kept, else 0.
  func fill(_ mask: UnsafeMutablePointer<UInt8>, count: Int, from first: UInt64) {
    for offset in 0..<count {
      let kept = generator.bits(at: first &+ UInt64(truncatingIfNeeded: offset)) >> 11 >= threshold
      mask[offset] = kept ? 1 : 0
    }
  }
}

internal import PlanIR

#if canImport(Glibc)
  internal import Glibc
#endif

extension ForwardPass {
  /// Rotates feature i of a head with feature i + width / 2 by position times frequency i; x
  /// [batch, sequence, heads, head_width]. Features past the rotary width stay as they are.
  mutating func rotate(
    _ settings: RotarySettings, _ operation: ModelOperation, _ operands: [Tensor],
    _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let x = operands[0]
    try scope.require(
      x.dimensions.count == 4 && x.dimensions.starts(with: [.batch, .sequence])
        && x.dimensions[3] == .headWidth && settings.width <= x.width
        && settings.width.isMultiple(of: 2),
      "[batch, sequence, heads, head_width] and an even rotary width within it", operation,
      operands)
    let rotation = Rotation(settings, x.shape)
    let elements = rotation.applied(to: x.elements, isInverse: false)
    return tape.record(like: x, elements, from: [x]) { gradient in
      [rotation.applied(to: gradient, isInverse: true)]
    }
  }
}

/// The cosines and sines by which heads are turned.
private struct Rotation {
  private let shape: [Int]
  /// Pairs of features that turn.
  private let half: Int
  /// [sequence, half], both.
  private var cosines: [Double] = []
  private var sines: [Double] = []

  init(_ settings: RotarySettings, _ shape: [Int]) {
    self.shape = shape
    half = settings.width / 2
    let frequencies = settings.frequencies
    for position in 0..<shape[1] {
      for frequency in frequencies {
        cosines.append(cos(Double(position) * frequency) * settings.attentionFactor)
        sines.append(sin(Double(position) * frequency) * settings.attentionFactor)
      }
    }
  }

  /// y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin; the inverse with the sine's sign turned.
  func applied(to elements: [Double], isInverse: Bool) -> [Double] {
    var result = elements
    let width = shape[3]
    for row in 0..<elements.count / width {
      let position = row / shape[2] % shape[1]
      for pair in 0..<half {
        let cosine = cosines[position * half + pair]
        let sine = (isInverse ? -1 : 1) * sines[position * half + pair]
        let (low, high) = (row * width + pair, row * width + pair + half)
        result[low] = elements[low] * cosine - elements[high] * sine
        result[high] = elements[high] * cosine + elements[low] * sine
      }
    }
    return result
  }
}

internal import PlanIR

/// The operations of one forward pass in order, each with its own backward rule.
struct Tape {
  /// From the gradient of an operation's result to the gradients of its operands, in order.
  typealias Backward = ([Double]) -> [[Double]]

  private struct Entry {
    var operands: [Int]
    var result: Int
    var backward: Backward
  }

  private var entries: [Entry] = []
  private var slotCount = 0

  /// A value that no operation computes: a parameter or the features.
  mutating func leaf(_ dimensions: [Dimension], _ shape: [Int], _ elements: [Double]) -> Tensor {
    slotCount += 1
    return Tensor(
      slot: slotCount - 1, dimensions: dimensions, shape: shape, elements: elements)
  }

  /// The result of an operation on `operands`, whose gradients `backward` computes.
  mutating func record(
    _ dimensions: [Dimension], _ shape: [Int], _ elements: [Double], from operands: [Tensor],
    backward: @escaping Backward
  ) -> Tensor {
    let result = leaf(dimensions, shape, elements)
    entries.append(
      Entry(operands: operands.map(\.slot), result: result.slot, backward: backward))
    return result
  }

  /// As ``record(_:_:_:from:backward:)`` for a result of `operand`'s shape.
  mutating func record(
    like operand: Tensor, _ elements: [Double], from operands: [Tensor],
    backward: @escaping Backward
  ) -> Tensor {
    record(operand.dimensions, operand.shape, elements, from: operands, backward: backward)
  }

  /// The gradients of the leaves by slot, from `seed`, the gradient of `result`; nil where `result`
  /// does not depend on a slot. Empties the tape, so that what an operation kept is freed on the way.
  mutating func differentiate(_ result: Tensor, seed: [Double]) -> [[Double]?] {
    var gradients = [[Double]?](repeating: nil, count: slotCount)
    gradients[result.slot] = seed
    while let entry = entries.popLast() {
      guard let gradient = gradients[entry.result].take() else { continue }
      for (slot, part) in zip(entry.operands, entry.backward(gradient)) {
        gradients[slot] = Self.sum(gradients[slot].take(), part)
      }
    }
    return gradients
  }

  private static func sum(_ left: consuming [Double]?, _ right: [Double]) -> [Double] {
    guard var sum = left else { return right }
    for index in right.indices { sum[index] += right[index] }
    return sum
  }
}

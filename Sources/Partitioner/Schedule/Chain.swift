import PlanIR

/// A block's bodies as a program numbers them.
struct CallableBlock {
  var forward, inputGradient, weightGradient, reduceGradients, optimize: BodyID?
}

/// The chain of blocks as calls: which body runs where, in the order of a step without pipeline.
struct Chain {
  /// Repetitions of each segment.
  let counts: [Int]
  /// Blocks of each segment.
  let blocks: [[CallableBlock]]

  /// Every block's place, first to last.
  var positions: [BlockPosition] {
    counts.indices.flatMap { segment in
      (0..<counts[segment]).flatMap { layer in
        blocks[segment].indices.map {
          BlockPosition(segment: segment, layer: layer, block: $0)
        }
      }
    }
  }

  /// Forward and backward of each micro-batch in turn; then gradients are reduced and the
  /// parameters updated.
  func calls(microBatches: Int) -> [Call] {
    let positions = positions
    var calls: [Call] = []
    for microBatch in 0..<microBatches {
      for position in positions { append(\.forward, .forward, position, microBatch, &calls) }
      for position in positions.reversed() {
        append(\.inputGradient, .inputGradient, position, microBatch, &calls)
        append(\.weightGradient, .weightGradient, position, microBatch, &calls)
      }
    }
    for position in positions.reversed() {
      append(\.reduceGradients, .reduceGradients, position, microBatches - 1, &calls)
    }
    for position in positions {
      append(\.optimize, .optimize, position, microBatches - 1, &calls)
    }
    return calls
  }

  private func append(
    _ body: KeyPath<CallableBlock, BodyID?>, _ phase: Phase, _ position: BlockPosition,
    _ microBatch: Int, _ calls: inout [Call]
  ) {
    guard let body = blocks[position.segment][position.block][keyPath: body] else { return }
    calls.append(Call(body: body, phase: phase, position: position, microBatch: microBatch))
  }
}

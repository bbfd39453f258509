package import PlanIR

/// Which layers lie on which pipeline stage: chunk c of stage p is virtual stage c x stages + p, and the
/// chain passes the virtual stages in order.
package struct StageMap: Hashable, Sendable {
  package let stages, chunks: Int
  /// The layers of each virtual stage, in the order of the chain.
  package let layers: [Range<Int>]
  /// What of each layer is computed again: on each stage everything of its first layers, the attention
  /// core of the next, nothing of the rest.
  private let recompute: [Recomputation]

  /// The map of a plan's stages, each cut into `interleave` chunks that differ by one layer at most.
  package init(_ choices: PlanChoices) throws(ConstraintViolation) {
    stages = choices.stages.count
    chunks = choices.interleave
    try Self.check(
      layers: choices.stages.reduce(0) { $0 + $1.layers }, stages: stages, chunks: chunks)
    var ranges: [Range<Int>] = []
    var next = 0
    for chunk in 0..<chunks {
      for stage in choices.stages {
        let count =
          stage.layers * (chunk + 1) / chunks - stage.layers * chunk / chunks
        ranges.append(next..<next + count)
        next += count
      }
    }
    layers = ranges
    recompute = Self.recompute(choices, ranges)
    guard layers.dropFirst().dropLast().contains(where: { $0.isEmpty }) else { return }
    throw .tooFewLayers(
      layers.last?.upperBound ?? 0, stages: stages, chunks: chunks,
      needed: "as many on each stage as it has chunks, \(stages * chunks) in all")
  }

  /// Refuses `layers` that leave a stage, or a chunk of one, without any but the first and the last.
  static func check(layers: Int, stages: Int, chunks: Int) throws(ConstraintViolation) {
    let (virtual, overflow) = stages.multipliedReportingOverflow(by: chunks)
    guard overflow || virtual - 2 > layers else { return }
    throw .tooFewLayers(
      layers, stages: stages, chunks: chunks,
      needed: "\(overflow ? Int.max : virtual - 2) layers or more")
  }

  private static func recompute(
    _ choices: PlanChoices, _ ranges: [Range<Int>]
  ) -> [Recomputation] {
    var left = choices.stages
    var result: [Recomputation] = []
    for (place, range) in ranges.enumerated() {
      let stage = place % left.count
      for _ in range {
        if left[stage].recomputeFull > 0 {
          left[stage].recomputeFull -= 1
          result.append(.full)
        } else if left[stage].recomputeSelective > 0 {
          left[stage].recomputeSelective -= 1
          result.append(.selective)
        } else {
          result.append(.none)
        }
      }
    }
    return result
  }

  /// The ways in which layers are computed again.
  var recomputations: Set<Recomputation> { Set(recompute).subtracting([.none]) }

  /// Whether the chain is one stage that computes nothing again.
  var isWhole: Bool { layers.count == 1 && recomputations.isEmpty }

  /// Neighbouring layers of `range` that are computed again alike.
  func runs(of range: Range<Int>) -> [(layers: Range<Int>, recompute: Recomputation)] {
    var runs: [(layers: Range<Int>, recompute: Recomputation)] = []
    for layer in range {
      let kind = recompute[layer]
      if let last = runs.last, last.recompute == kind {
        runs[runs.count - 1].layers = last.layers.lowerBound..<layer + 1
      } else {
        runs.append((layer..<layer + 1, kind))
      }
    }
    return runs
  }

  /// The virtual stage of a chunk.
  package func virtualStage(_ stage: Int, chunk: Int) -> Int { chunk * stages + stage }

  /// The virtual stage that `layer` lies on.
  func virtualStage(ofLayer layer: Int) -> Int {
    layers.firstIndex { $0.contains(layer) } ?? layers.count - 1
  }

  /// Layers for each of `stages`: as many on each as can be, what is left over on those inside, the
  /// later ones first, then on the first; the last has the head.
  package static func even(layers: Int, stages: Int) -> [Int] {
    var counts = Array(repeating: layers / stages, count: stages)
    let order = Array((1..<max(stages - 1, 1)).reversed()) + [0, stages - 1]
    for stage in order.prefix(layers % stages) { counts[stage] += 1 }
    return counts
  }
}

extension ConstraintViolation {
  fileprivate static func tooFewLayers(
    _ layers: Int, stages: Int, chunks: Int, needed: String
  ) -> ConstraintViolation {
    let most = layers / stages
    let fewer = most > 1 ? "--interleave \(most)" : "no --interleave, and --schedule 1f1b"
    // Of as many stages as divide these, so that the devices divide.
    let fewest = divisors(of: stages).last { $0 <= layers } ?? 1
    let pipeline = "--pipeline \(fewest)"
    let own =
      fewest <= 1 ? ", no --schedule and no --interleave" : chunks > 1 ? ", no --interleave" : ""
    return ConstraintViolation(
      constraint: "a layer on every pipeline stage but the first and the last",
      found: "\(layers) layers over \(stages) stages" + (chunks > 1 ? " of \(chunks) chunks" : ""),
      needed: needed,
      remedy: chunks > 1 && layers >= stages ? fewer : pipeline + own)
  }
}

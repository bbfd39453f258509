package import PlanIR

/// Holds a certificate against its plan: every bound against the plan's step, what is decided first against
/// what there is to decide, and plans drawn at random, lowered and priced whole, against the bounds that they
/// fall under.
///
/// A bound is not derived again: one that is too high is found where a drawn plan takes less. Plans are drawn in
/// turn from the whole space, from its mixtures, and from below one of the certificate's leaves.
package struct CertificateCheck: Sendable {
  /// Leaves of the certificate.
  package private(set) var leaves = 0
  /// Decisions that were looked for in it.
  package private(set) var decisions = 0
  /// Plans that were drawn: those that fit, that need too much memory, that cannot be lowered.
  package private(set) var fitting = 0
  package private(set) var overMemory = 0
  package private(set) var refused = 0
  /// The least step of those that fit.
  package private(set) var fastest: Picoseconds?
  /// What is wrong, in words; the certificate holds where there is nothing.
  package private(set) var faults: [String] = []

  /// Stops looking where there are as many.
  private static let mostFaults = 5

  private let request: SearchRequest
  private let certificate: Certificate
  private let step: Picoseconds

  /// Checks `certificate` of a search for `request` whose best plan is `best`, which takes `step`, by as many
  /// `draws`.
  package init(
    _ certificate: Certificate, of request: SearchRequest, best: PlanChoices, step: Picoseconds,
    draws: Int, seed: UInt64
  ) {
    (self.certificate, self.request, self.step) = (certificate, request, step)
    var draw = PlanDraw(request, seed: seed)
    let all = certificate.leaves
    leaves = all.count
    for (path, bound) in all {
      if case .step(let bound) = bound, bound < step {
        fault("\(Self.text(path)): the bound \(bound.count) ps is less than the plan's step")
      }
    }
    check(best, draw)
    checkDecisions(draw)
    var numbers = CounterNumbers(seed: seed ^ 0x5EED)
    for number in 0..<draws where faults.count < Self.mostFaults {
      let drawn: PlanDraw.Drawn?
      switch number % 3 {
      case 0: drawn = draw.plan()
      case 1: drawn = draw.mixture()
      default:
        drawn = all.randomElement(using: &numbers).flatMap {
          draw.plan($0.path, besides: certificate.words(beside: $0.path))
        }
      }
      if let drawn { check(drawn) }
    }
  }

  /// Whether the plan is one that was asked for, and said to take no less than it does.
  private mutating func check(_ best: PlanChoices, _ draw: PlanDraw) {
    let path = "the plan, \(Self.text(CertificatePath.of(best)))"
    if !draw.admits(best) { fault("\(path): not among the plans that were asked for") }
    switch certificate.leaf(of: CertificatePath.of(best))?.bound {
    case nil: fault("\(path): not in the certificate")
    case CertifiedBound.none?: fault("\(path): said not to fit")
    case .step(let bound)? where bound > step:
      fault("\(path): bounded by \(bound.count) ps, but it takes \(step.count) ps")
    case .step?: break
    }
  }

  private mutating func fault(_ text: String) {
    if faults.count < Self.mostFaults { faults.append(text) }
  }

  private static func text(_ path: [String]) -> String { path.joined(separator: ", ") }

  /// Whether every tensor mesh is there, and where it is spread every way to spread it.
  private mutating func checkDecisions(_ draw: PlanDraw) {
    for point in draw.points {
      decisions += 1
      guard let node = certificate.root.children[point.word] else {
        fault("\(point.word): not in the certificate")
        continue
      }
      guard node.bound == nil else { continue }
      for split in point.splits {
        decisions += 1
        let word = "data \(split.data) pipeline \(split.stages)"
        guard let spread = node.children[word] else {
          fault("\(point.word), \(word): not in the certificate")
          continue
        }
        guard spread.bound == nil else { continue }
        for size in draw.microBatches(split) {
          decisions += 1
          if spread.children[CertificatePath.microBatch(size)] == nil {
            fault("\(point.word), \(word), micro-batch \(size): not in the certificate")
          }
        }
      }
    }
    checkMixtures(draw)
  }

  /// Whether every way to split devices for mixtures is there.
  private mutating func checkMixtures(_ draw: PlanDraw) {
    guard MixturePass.isOpen(request) else { return }
    let mixed = LayoutName.mixed.rawValue
    for split in draw.flatSplits {
      decisions += 1
      let word = "data \(split.data) tensor \(split.tensor)"
      if certificate.root.children[mixed]?.children[word] == nil {
        fault("\(mixed), \(word): not in the certificate")
      }
    }
  }

  /// Prices a drawn plan whole.
  private mutating func check(_ drawn: PlanDraw.Drawn) {
    guard let leaf = certificate.leaf(of: drawn.path) else {
      return fault("\(Self.text(drawn.path)): not in the certificate")
    }
    let prediction = try? Partitioner.predict(
      request.training, choices: drawn.choices, cluster: request.cluster, timings: request.timings)
    guard let prediction else {
      refused += 1
      return
    }
    if let limit = request.limit, prediction.memory.total > limit {
      overMemory += 1
      return
    }
    fitting += 1
    fastest = min(fastest ?? prediction.step, prediction.step)
    switch leaf.bound {
    case .none:
      fault("\(Self.text(leaf.path)): said not to fit, but \(Self.text(drawn.path)) does")
    case .step(let bound) where prediction.step < bound:
      fault(
        "\(Self.text(leaf.path)): bounded by \(bound.count) ps, but \(Self.text(drawn.path)) "
          + "takes \(prediction.step.count) ps")
    case .step: break
    }
  }
}

extension Certificate {
  /// The words that stand beside the last of `path`, of which it may be all others.
  fileprivate func words(beside path: [String]) -> Set<String> {
    var node: Node? = root
    for word in path.dropLast() { node = node?.children[word] }
    return Set((node?.children ?? [:]).keys)
  }
}

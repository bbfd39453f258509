package import PlanIR

/// Holds a certificate against its plan: every bound against the plan's step, what it names of each decision against
/// all that there is to decide, and plans drawn at random, lowered and priced whole, against the bounds that they
/// fall under.
///
/// A bound is not derived again: one that is too high is found where a drawn plan takes less. Plans are drawn in
/// turn from the whole space, from its mixtures, and from below one of the certificate's leaves; then, below leaves that
/// are said not to fit, plans that hold little.
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
    check(certificate.root, .nothing, [], draw.decisions)
    checkMixtures(draw)
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
    checkRefusals(&draw, most: draws, &numbers)
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

  /// Whether every way to decide what comes after `path` is at `node`.
  private mutating func check(
    _ node: Certificate.Node, _ partial: PlanDecisions.Partial, _ path: [String],
    _ all: PlanDecisions
  ) {
    // All that follows is bounded at once.
    if node.bound != nil { return }
    let coversRest = node.children[Certificate.others] != nil
    checkNames(node, partial, path, all)
    if coversRest && node.children.values.allSatisfy({ $0.bound != nil }) { return }
    for option in all.next(partial) where faults.count < Self.mostFaults {
      decisions += 1
      let word = all.word(option)
      if let child = node.children[word] {
        check(child, option, path + [word], all)
      } else if !coversRest {
        fault("\(Self.text(path + [word])): not in the certificate")
      }
    }
  }

  /// Whether each word at `node` is a way to decide what comes after `path`.
  private mutating func checkNames(
    _ node: Certificate.Node, _ partial: PlanDecisions.Partial, _ path: [String],
    _ all: PlanDecisions
  ) {
    var words = Set(node.children.keys).subtracting([Certificate.others])
    // Mixtures are gone through apart.
    if path.isEmpty { words.remove(LayoutName.mixed.rawValue) }
    for word in all.unnamed(words, partial).sorted() where faults.count < Self.mostFaults {
      fault("\(Self.text(path + [word])): names nothing that there is to decide")
    }
  }

  /// Whether every way to split devices for mixtures is there, and there all that is alike in their blocks; and nothing
  /// else.
  private mutating func checkMixtures(_ draw: PlanDraw) {
    let isOpen = MixturePass.isOpen(request)
    let known = isOpen ? draw.flatSplits.flatMap(draw.mixturePaths) : []
    for path in known where faults.count < Self.mostFaults {
      decisions += 1
      if certificate.leaf(of: path) == nil {
        fault("\(Self.text(path)): not in the certificate")
      }
    }
    let names = Set(known)
    for (path, _) in certificate.leaves
    where path.first == LayoutName.mixed.rawValue && !names.contains(path)
      && faults.count < Self.mostFaults
    {
      fault("\(Self.text(path)): names nothing that there is to decide")
    }
  }

  /// Draws what holds little of what is said not to fit, of up to as many leaves as `most`.
  private mutating func checkRefusals(
    _ draw: inout PlanDraw, most: Int, _ numbers: inout CounterNumbers
  ) {
    let refusals = certificate.leaves.filter { $0.bound == .none }
    let looked =
      refusals.count > most ? refusals.shuffled(using: &numbers).prefix(most) : refusals[...]
    for (path, _) in looked where faults.count < Self.mostFaults {
      let known = certificate.words(beside: path)
      for attempt in 0..<Self.attempts {
        let drawn =
          path.first == LayoutName.mixed.rawValue
          ? draw.mixture(path)
          : attempt == 0 ? draw.leanPlan(path, besides: known) : draw.plan(path, besides: known)
        if let drawn, check(drawn) { break }
      }
    }
  }

  /// How often a plan is drawn that cannot be.
  private static let attempts = 4

  /// Prices a drawn plan whole.
  ///
  /// - Returns: Whether it can be.
  @discardableResult
  private mutating func check(_ drawn: PlanDraw.Drawn) -> Bool {
    guard let leaf = certificate.leaf(of: drawn.path) else {
      fault("\(Self.text(drawn.path)): not in the certificate")
      return false
    }
    let prediction = try? Partitioner.predict(
      request.training, choices: drawn.choices, cluster: request.cluster, timings: request.timings)
    guard let prediction else {
      refused += 1
      return false
    }
    if let limit = request.limit, prediction.memory.total > limit {
      overMemory += 1
      return true
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
    return true
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

import Partitioner
import PlanIR
import TestSupport
import Testing

/// Certificates of searches against plans that are drawn, lowered and priced whole.
@Suite struct CertificateTests {
  private struct Certified {
    let request: SearchRequest
    let certificate: Certificate
    let best: RankedPlan

    /// The same search and plan with another certificate.
    func check(_ certificate: Certificate? = nil, draws: Int = 0, seed: UInt64 = 1)
      -> CertificateCheck
    {
      CertificateCheck(
        certificate ?? self.certificate, of: request, best: best.choices,
        step: best.predicted.step, draws: draws, seed: seed)
    }
  }

  private func certified(_ request: SearchRequest) throws -> Certified? {
    var request = request
    (request.objective, request.certifies) = (.time, true)
    let answer = Search.run(request)
    guard let best = answer.plans.first else { return nil }
    return Certified(
      request: request, certificate: try #require(answer.certificate), best: best)
  }

  /// A search of a few layouts on four devices, stages and recomputation among them.
  private func sample() throws -> Certified {
    var sample = SampleModel()
    (sample.heads, sample.keyValueHeads, sample.headWidth, sample.layers) = (4, 4, 8, 3)
    (sample.hidden, sample.wide) = (32, 64)
    let training = try TrainingGraph(
      model: sample.gpt2(), workload: Workload(globalBatch: 8, sequence: 16))
    let request = SearchRequest(
      training: training, cluster: SyntheticCluster.cluster, devices: 4, memory: .unlimited,
      keep: 2)
    return try #require(try certified(request))
  }

  /// Plans drawn of each search: 10^5 in all where the full matrices are asked for.
  private static let draws = LayoutMatrix.isFull ? 250 : 60

  @Test(arguments: ExactSearchTests.draws)
  func `the certificate of a search holds against plans that are drawn`(
    draw: ExactSearchTests.Draw
  ) throws {
    guard let certified = try certified(draw.request()) else { return }
    let check = certified.check(draws: Self.draws, seed: draw.seed)
    #expect(check.faults.isEmpty)
    #expect(check.fitting + check.overMemory + check.refused > 0)
    #expect(check.fastest.map { $0 >= certified.best.predicted.step } ?? true)
  }

  @Test func `the best plan is under the bound of its own decisions`() throws {
    let certified = try sample()
    let steps = certified.certificate.leaves.compactMap { leaf -> Picoseconds? in
      if case .step(let step) = leaf.bound { step } else { nil }
    }
    #expect(steps.min() == certified.best.predicted.step)
  }

  @Test func `any bound that is altered changes the digest`() throws {
    let certificate = try sample().certificate
    let leaves = certificate.leaves
    #expect(leaves.count > 100)
    for leaf in stride(from: 0, to: leaves.count, by: leaves.count / 40).map({ leaves[$0] }) {
      let other: CertifiedBound =
        if case .step(let step) = leaf.bound { .step(step + Picoseconds(1)) } else { .step(.zero) }
      let altered = Certificate(root: certificate.root.replacing(leaf.path[...], by: other))
      #expect(altered.leaves.count == leaves.count && altered.digest != certificate.digest)
    }
  }

  @Test func `a bound of less than the best plan's step is refused`() throws {
    let certified = try sample()
    for leaf in certified.certificate.leaves.prefix(5) {
      let low = certified.certificate.root.replacing(
        leaf.path[...], by: .step(certified.best.predicted.step - Picoseconds(1)))
      let faults = certified.check(Certificate(root: low)).faults
      #expect(faults.contains { $0.contains("less than the plan's step") }, "\(leaf.path)")
    }
  }

  @Test(arguments: [true, false])
  func `a leaf that says another of the best plan is refused`(_ isNone: Bool) throws {
    let certified = try sample()
    let step = certified.best.predicted.step
    let own = certified.certificate.leaves.filter { $0.bound == .step(step) }
    #expect(!own.isEmpty)
    let faults = own.flatMap { leaf -> [String] in
      let other: CertifiedBound = isNone ? .none : .step(step + Picoseconds(1))
      let altered = certified.certificate.root.replacing(leaf.path[...], by: other)
      return certified.check(Certificate(root: altered)).faults
    }
    #expect(faults.contains { $0.hasPrefix("the plan, ") }, "\(faults)")
  }

  @Test func `mixtures that are left out are named`() throws {
    let certified = try sample()
    var children = certified.certificate.root.children
    children["mixed"] = nil
    let altered = Certificate(root: Certificate.Node(children: children))
    #expect(certified.check(altered).faults.contains { $0.hasPrefix("mixed, ") })
  }

  @Test func `a bound that is too high is found by a plan that takes less`() throws {
    let certified = try sample()
    #expect(certified.check(draws: 600).faults.isEmpty)
    // Of all layers on one tensor mesh: members of each are drawn often.
    let words = certified.certificate.root.children.filter { word, node in
      word != "mixed" && node.leaves.contains { $0 != .none }
    }
    for word in words.keys.sorted().prefix(3) {
      var children = certified.certificate.root.children
      children[word] = Certificate.Node(bound: .step(Picoseconds(1 << 60)))
      let altered = Certificate(root: Certificate.Node(children: children))
      let faults = certified.check(altered, draws: 900).faults
      #expect(faults.contains { $0.contains("bounded by") }, "\(word)")
    }
  }

  @Test func `plans that are said not to fit, and do, are found`() throws {
    let certified = try sample()
    var children = certified.certificate.root.children
    let word = try #require(children.keys.sorted().first { $0 != "mixed" })
    children[word] = Certificate.Node(bound: CertifiedBound.none)
    let altered = Certificate(root: Certificate.Node(children: children))
    let faults = certified.check(altered, draws: 900).faults
    #expect(faults.contains { $0.contains("said not to fit") })
  }

  @Test func `a decision that is left out is named, whichever it is`() throws {
    let certified = try sample()
    let root = certified.certificate.root
    let branches = root.branches.filter { path in
      // Others stand for it.
      path.last == Certificate.others
        || root.node(path.dropLast()).children[Certificate.others] == nil
    }
    var depths: Set<Int> = []
    for path in every(branches, of: 120) {
      depths.insert(path.count)
      let faults = certified.check(Certificate(root: root.without(path[...]))).faults
      let said = path.filter { $0 != Certificate.others }.joined(separator: ", ")
      #expect(
        faults.contains { $0.hasPrefix(said) && $0.hasSuffix("not in the certificate") }, "\(path)")
    }
    #expect(depths.isSuperset(of: 1...4))
  }

  @Test func `a word that names no decision is named, wherever it is`() throws {
    let certified = try sample()
    let root = certified.certificate.root
    var depths: Set<Int> = []
    for path in every([[]] + root.branches, of: 60) where root.node(path[...]).bound == nil {
      depths.insert(path.count)
      let altered = root.adding("one more", at: path[...])
      let faults = certified.check(Certificate(root: altered)).faults
      let said = (path + ["one more"]).joined(separator: ", ")
      #expect(faults == ["\(said): names nothing that there is to decide"])
    }
    #expect(depths.isSuperset(of: 0...3))
  }

  @Test func `leaves that are said not to fit, and do, are found, whichever they are`() throws {
    let certified = try sample()
    let all = certified.certificate.leaves
    let draws = all.count { $0.bound == .none } + 1
    let (mixed, others) = (
      all.filter { $0.path[0] == "mixed" }, all.filter { $0.path[0] != "mixed" }
    )
    func found(_ leaves: [(path: [String], bound: CertifiedBound)]) -> Int {
      leaves.count { path, _ in
        let root = certified.certificate.root.replacing(path[...], by: .none)
        return !certified.check(Certificate(root: root), draws: draws).faults.isEmpty
      }
    }
    let steps = every(others.filter { $0.bound != .none }, of: 60)
    let missed = steps.count - found(steps)
    // Bounds are of plans that may turn out not to be.
    #expect(missed * 10 <= steps.count, "\(missed) of \(steps.count)")
    let some = every(mixed, of: 30)
    let lost = some.count - found(some)
    #expect(lost * 2 <= some.count, "\(lost) of \(some.count)")
  }

  /// Some `count` of `items`, from all over them.
  private func every<Item>(_ items: [Item], of count: Int) -> [Item] {
    stride(from: 0, to: items.count, by: max(1, items.count / count)).map { items[$0] }
  }

  @Test func `a search that certifies finds the same plans`() throws {
    let certified = try sample()
    var plain = certified.request
    plain.certifies = false
    let answer = Search.run(plain)
    #expect(answer.certificate == nil)
    #expect(answer.plans.first?.choices == certified.best.choices)
    #expect(answer.plans.first?.predicted == certified.best.predicted)
  }
}

extension Certificate.Node {
  /// The same with another bound at the leaf that `path` leads to.
  fileprivate func replacing(
    _ path: ArraySlice<String>, by bound: CertifiedBound
  ) -> Certificate.Node {
    guard let word = path.first, let child = children[word] else {
      return Certificate.Node(bound: bound)
    }
    var children = children
    children[word] = child.replacing(path.dropFirst(), by: bound)
    return Certificate.Node(children: children)
  }

  /// The same with a leaf named `word` below the node that `path` leads to.
  fileprivate func adding(_ word: String, at path: ArraySlice<String>) -> Certificate.Node {
    var children = children
    if let next = path.first {
      children[next] = children[next]?.adding(word, at: path.dropFirst())
    } else {
      children[word] = Certificate.Node(bound: CertifiedBound.none)
    }
    return Certificate.Node(children: children)
  }

  /// The paths of all nodes but this.
  fileprivate var branches: [[String]] {
    children.sorted { $0.key < $1.key }.flatMap { word, child in
      [[word]] + child.branches.map { [word] + $0 }
    }
  }

  /// The node that `path` leads to, which is there.
  fileprivate func node(_ path: ArraySlice<String>) -> Certificate.Node {
    path.reduce(self) { $0.children[$1] ?? Certificate.Node() }
  }

  /// The same without what begins with `path`.
  fileprivate func without(_ path: ArraySlice<String>) -> Certificate.Node {
    guard let word = path.first else { return self }
    var children = children
    children[word] = path.count == 1 ? nil : children[word]?.without(path.dropFirst())
    return Certificate.Node(children: children, bound: bound)
  }

  /// What all leaves below say.
  fileprivate var leaves: [CertifiedBound] {
    bound.map { [$0] } ?? children.values.flatMap(\.leaves)
  }
}

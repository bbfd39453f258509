import PlanIR

extension PlanSearch {
  /// Notes what bounds the candidates that begin with `path`; nil: none of them can be.
  mutating func certify(_ path: @autoclosure () -> [String], _ bound: Int?) {
    guard certificate != nil else { return }
    let path = path()
    certificate?.add(path, bound.map { .step(Picoseconds($0)) } ?? .none)
  }

  /// What schedules and cuts a search leaves out at once.
  mutating func certifyRest(of search: StageSearch) {
    guard search.left + search.overMemory > 0 else { return }
    let worst = ranking.best.last?.step.count
    certify(search.path + [Certificate.others], search.left > 0 ? worst : nil)
  }

  /// Notes what bounds an item that is left out.
  mutating func certify(_ item: Item, _ bound: Int) {
    switch item {
    case .point(let point):
      let choices = points[point].choices
      certify([CertificatePath.point(choices)], bound)
    case .spread(let point, let split, let sizes):
      let path = CertificatePath.spread(points[point].choices, split)
      for (size, bound) in sizes { certify(path + [CertificatePath.microBatch(size)], bound) }
    case .batch(let point, let split, let size, _):
      let path = CertificatePath.spread(points[point].choices, split)
      certify(path + [CertificatePath.microBatch(size)], bound)
    case .open(let node): certify(CertificatePath.node(node.choices), bound)
    case .leaner(let node, _):
      certify(CertificatePath.sharded(node.choices) + [Certificate.others], bound)
    case .lowered(let node, let next):
      for (placement, bound) in node.ranked[next...] { certify(node.path(placement), bound) }
    case .stages(let search, let next):
      for candidate in search.candidates[next...] {
        certify(search.path(candidate), candidate.bound)
      }
    case .fitted(let search, let fitted): certify(search.path(fitted), fitted.bound)
    // A front has no certificate.
    case .placed, .limited: break
    }
  }
}

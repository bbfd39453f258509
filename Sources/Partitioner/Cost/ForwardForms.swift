import PlanIR

/// A block's or joint's forward pass, whole and as layers have it that are computed again.
struct ForwardForms<Body> {
  let whole: Body
  private let selective, full: Lean?

  /// A forward pass that keeps less, and what computes the rest again.
  private struct Lean {
    let forward, recompute: Body
  }

  init(whole: Body, lean: ByRecomputation<(forward: Body, recompute: Body)>) {
    self.whole = whole
    selective = lean[.selective].map { Lean(forward: $0.forward, recompute: $0.recompute) }
    full = lean[.full].map { Lean(forward: $0.forward, recompute: $0.recompute) }
  }

  private init(whole: Body, selective: Lean?, full: Lean?) {
    (self.whole, self.selective, self.full) = (whole, selective, full)
  }

  /// Each body changed by `change`.
  func map<Other>(_ change: (Body) -> Other) -> ForwardForms<Other> {
    func lean(_ own: Lean?) -> ForwardForms<Other>.Lean? {
      own.map { .init(forward: change($0.forward), recompute: change($0.recompute)) }
    }
    return .init(whole: change(whole), selective: lean(selective), full: lean(full))
  }

  private func lean(_ recompute: Recomputation) -> Lean? {
    switch recompute {
    case .selective: selective
    case .full: full
    case .none, .mixed: nil
    }
  }

  /// The forward pass of a layer that is computed again so.
  func forward(_ recompute: Recomputation) -> Body { lean(recompute)?.forward ?? whole }

  /// What is computed again before a layer's gradients: of a block what it left out, of a joint inside a
  /// layer whose blocks keep nothing the stream.
  func again(_ recompute: Recomputation, isLast: Bool) -> Body? {
    if recompute == .none { return nil }
    if let lean = lean(recompute) { return lean.recompute }
    return recompute == .full && !isLast ? whole : nil
  }
}

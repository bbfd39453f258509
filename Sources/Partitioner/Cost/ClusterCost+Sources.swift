import PlanIR

extension ClusterCost {
  /// The time of the kernels of `body`, by where it comes from: where launching them takes longer, that is modelled.
  func kernelSources(of body: Body) -> SourcedTime {
    let own = sources(of: body.instructions.kernels, in: body, launchedIn: body.phase)
    guard recomputesWhole, !body.repeated.isEmpty else { return own }
    let whole = sources(of: body.repeated.kernels, in: body, launchedIn: .forward)
    return whole.total > own.total ? whole : own
  }

  private func sources(
    of calls: [KernelCall], in body: Body, launchedIn phase: Phase
  ) -> SourcedTime {
    var sources = SourcedTime()
    var launches = 0
    for call in calls {
      let work = KernelWork(call, in: body, precision: precision)
      sources.add(time(of: work), basis(of: work))
      launches += self.launches(of: work.traits.family)
    }
    let launching = time(ofLaunches: launches, in: phase)
    sources.add(max(.zero, launching - sources.total), FigureBasis(.modelled))
    return sources
  }

  /// The time of `body`, kernels and communication, by where it comes from.
  func sources(of body: Body) -> SourcedTime {
    var sources = kernelSources(of: body)
    for (use, count) in BodySummary(body, mesh: mesh, precision: precision, cost: self).timed {
      sources.add(time(of: use) * count, basis(of: use))
    }
    return sources
  }

  /// What a block of one layer takes of a step of `microBatches`, as ``PricedBlock/step(_:microBatches:recomputing:)``
  /// has it, by where it comes from.
  func stepSources(
    of bodies: BlockBodies, microBatches: Int, recomputing recompute: Recomputation = .none
  ) -> SourcedTime {
    func all(_ bodies: [Body?]) -> SourcedTime {
      bodies.compactMap(\.self).reduce(into: SourcedTime()) { $0.add(sources(of: $1), times: 1) }
    }
    let lean = bodies.lean[recompute]
    var step = SourcedTime()
    step.add(
      all([
        lean?.forward ?? bodies.forward, lean?.recompute, bodies.inputGradient,
        bodies.weightGradient,
      ]), times: microBatches)
    step.add(all([bodies.reduceGradients, bodies.optimize]), times: 1)
    return step
  }
}

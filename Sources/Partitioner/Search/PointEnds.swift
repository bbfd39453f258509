import PlanIR

/// Embedding and head beside the layers of a point, in every form of the table: lowered where they are asked
/// for, once for all points that share a trunk.
final class PointEnds {
  private let choices: PlanChoices
  private let matmuls: [MatmulSchedule]
  private let costs: MeshCosts
  private var known: [Form]?
  /// By size of micro-batch.
  private var knownTimes: [Int: EndShapes.Times] = [:]
  private var knownParts: [Int: StageParts] = [:]
  private var knownMemory: [Held: EndsMemory] = [:]

  /// What is held of a micro-batch.
  private struct Held: Hashable {
    let size: Int
    let form: GatherForm
  }

  /// Both in one form.
  private struct Form {
    let lowered: LoweredGroup
    /// What the groups over which they communicate meet, under placements that differ.
    let routes: PlacedRoutes
  }

  /// Of `choices`, in products gathered whole or in loops over panels as `matmuls` say.
  init(_ choices: PlanChoices, _ matmuls: [MatmulSchedule], _ costs: MeshCosts) {
    (self.choices, self.matmuls, self.costs) = (choices, matmuls, costs)
  }

  /// Whether saving what was gathered and gathering it again differ, for inputs and for weights.
  func keepsGathered(_ chains: inout ChainTable) -> (inputs: Bool, weights: Bool) {
    let forms = forms(&chains)
    return (
      forms.contains(where: \.lowered.keepsGatheredInputs),
      forms.contains(where: \.lowered.keepsGatheredWeights)
    )
  }

  /// What the head computes of a micro-batch of `size` at least; of a plan of one stage the embedding, too.
  func least(_ size: Int, hasStages: Bool, _ chains: inout ChainTable) -> Picoseconds {
    let own = knownTimes[size] ?? times(size, &chains)
    knownTimes[size] = own
    return hasStages ? own.head : own.head + own.embedding
  }

  private func times(_ size: Int, _ chains: inout ChainTable) -> EndShapes.Times {
    let sequences = LayerPoint.replicas * size
    var least: EndShapes.Times?
    for form in forms(&chains) where sequences % form.lowered.unit == 0 {
      let own = EndShapes.Times(form.lowered, sequences, chains.training, costs.asNumbered)
      least = least?.least(own) ?? own
    }
    return least ?? EndShapes.Times()
  }

  /// What they take of a micro-batch of `size` at least, but for what they send to other replicas.
  func parts(_ size: Int, _ chains: inout ChainTable) -> StageParts {
    if let found = knownParts[size] { return found }
    let sequences = LayerPoint.replicas * size
    var least: StageParts?
    for form in forms(&chains) where sequences % form.lowered.unit == 0 {
      let own = StageParts.all(
        form.lowered, sequences / form.lowered.unit, chains.training, costs.asNumbered, form.routes,
        isShared: true)
      for parts in own { least = least?.least(parts) ?? parts }
    }
    knownParts[size] = least ?? StageParts()
    return least ?? StageParts()
  }

  /// What they hold of a micro-batch of `size` at least where they gather and loop as `form` says; nothing is known where
  /// they cannot.
  func memory(_ size: Int, _ form: GatherForm, _ chains: inout ChainTable) -> EndsMemory {
    let key = Held(size: size, form: form)
    if let found = knownMemory[key] { return found }
    let sequences = LayerPoint.replicas * size
    var least: EndsMemory?
    for (_, lowered) in (try? chains.endForms(form.applied(to: choices))) ?? []
    where sequences % lowered.unit == 0 {
      let own = EndsMemory(lowered, sequences / lowered.unit, chains.training)
      least = least?.least(own) ?? own
    }
    knownMemory[key] = least ?? EndsMemory()
    return least ?? EndsMemory()
  }

  private func forms(_ chains: inout ChainTable) -> [Form] {
    if let known { return known }
    var found: [Form] = []
    for matmul in matmuls {
      var choices = choices
      choices.matmul = matmul
      for (_, lowered) in (try? chains.endForms(choices)) ?? [] {
        found.append(Form(lowered: lowered, routes: routes(lowered)))
      }
    }
    known = found
    return found
  }

  /// What groups meet, but for those of several replicas: how many there are, and where, is not known.
  private func routes(_ ends: LoweredGroup) -> PlacedRoutes {
    let axes = ends.axes.map { axes in
      axes.contains { choices.mesh.axes[$0.axis].name == "data" } ? [] : axes
    }
    return costs.routes(over: axes).routes
  }
}

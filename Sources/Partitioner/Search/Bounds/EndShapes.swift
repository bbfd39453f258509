import PlanIR

/// What embedding and head compute of a micro-batch at least in a mixture where they have certain shapes.
///
/// What an operation computes follows from the shape of its own block. Only what is copied and added on the way
/// from storage and back depends on the other blocks', as does the padding of the vocabulary: of all paddings
/// that there may be the one that takes least counts. `MixtureTests` hold searches with measured times to every
/// mixture.
struct EndShapes {
  private let training: TrainingGraph
  private let rates: ClusterRates
  private let data, tensor: Int
  private var known: [Key: Times] = [:]

  /// What decides what operations compute.
  private struct Key: Hashable {
    let shape: LayoutShape
    let sequenceParallel: Bool
    let matmul: MatmulSchedule
    let microBatch: Int
  }

  /// Of a micro-batch.
  struct Times {
    var embedding = Picoseconds.zero
    var head = Picoseconds.zero

    init() {}

    /// What `ends`, lowered, compute of `sequences` on all replicas.
    init(
      _ ends: LoweredGroup, _ sequences: Int, _ training: TrainingGraph, _ cost: ClusterCost
    ) {
      for (place, profile) in zip(training.groups.ends.places, ends.profiles) {
        let own = profile.operations(sequences / ends.unit, cost)
        switch training.block(place).graph.blockClass {
        case .embedding: embedding += own
        case .head: head += own
        case .attention, .mlp: break
        }
      }
    }

    /// The lesser of each.
    func least(_ other: Times) -> Times {
      var result = self
      result.embedding = min(embedding, other.embedding)
      result.head = min(head, other.head)
      return result
    }
  }

  init(_ training: TrainingGraph, _ rates: ClusterRates, data: Int, tensor: Int) {
    (self.training, self.rates) = (training, rates)
    (self.data, self.tensor) = (data, tensor)
  }

  /// An embedding or a head in `shape`, under `knobs`; nothing where they cannot be in it alone.
  mutating func least(
    _ shape: LayoutShape, _ knobs: PlanChoices, _ table: inout BlockTable
  ) -> Times {
    let key = Key(
      shape: shape, sequenceParallel: knobs.sequenceParallel, matmul: knobs.matmul,
      microBatch: knobs.microBatch)
    if let found = known[key] { return found }
    let made = times(key, knobs, &table)
    known[key] = made
    return made
  }

  private func times(_ key: Key, _ knobs: PlanChoices, _ table: inout BlockTable) -> Times {
    var choices = knobs.keepingAll(key.microBatch)
    choices.matmul = key.matmul
    (choices.weightsOver, choices.zero) = ([], 0)
    choices = choices.uniform(key.shape, data: data)
    guard let forms = try? table.tables(choices) else { return Times() }
    let cost = ClusterCost(rates, mesh: choices.mesh, placement: [])
    var least: Times?
    for form in forms {
      guard let ends = try? table.lowered(training.groups.ends, form),
        data * key.microBatch % ends.unit == 0
      else { continue }
      for vocabulary in vocabularies {
        let own = Times(ends.padding(vocabulary), data * key.microBatch, training, cost)
        least = least?.least(own) ?? own
      }
    }
    return least ?? Times()
  }

  /// What the vocabulary may be padded to.
  private var vocabularies: [Int] {
    let size = training.sizes[.vocabulary]
    let multiple = training.workload.padVocabulary
    let padded = divisors(of: tensor).map { axes in
      let multiple = multiple * axes
      return (size + multiple - 1) / multiple * multiple
    }
    return padded.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

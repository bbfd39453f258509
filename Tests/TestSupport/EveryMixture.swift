package import Partitioner
package import PlanIR

/// All mixtures of layouts, written down one by one: what a search that leaves some out must agree
/// with.
package struct EveryMixture {
  let training: TrainingGraph
  let devices: Int
  package var microBatches: [Int]
  package var sequenceParallel = [false, true]
  package var gathers = GatherChoice.allCases
  package var matmul = MatmulSchedule.allCases
  package var weightsOver: [[String]] = [[], ["data"]]
  /// What may be sharded over data where weights are not.
  package var zero = [0, 1]
  package var keyValue: [KeyValueForm] = [.copied]

  /// Whether the head reads the embedding's table.
  private var isTied: Bool {
    training.model.segments.contains { $0.blocks.contains { !$0.borrowed.isEmpty } }
  }

  package init(_ training: TrainingGraph, devices: Int, microBatches: [Int]) {
    self.training = training
    self.devices = devices
    self.microBatches = microBatches
  }

  /// A layout with the degrees of its mesh.
  struct Shape: Hashable {
    let layout: LayoutName
    let degrees: [Int]

    var rank: Int { degrees.count { $0 > 1 } }

    /// The parts into which it splits rows of the stream, and within a block of layers.
    var rowParts: [Int] {
      switch layout {
      case .summa: [degrees[0]]
      case .tesseract: [degrees[0] * degrees[2]]
      case .threeDimensional: [degrees[0] * degrees[1], degrees[0] * degrees[2]]
      case .data, .megatron, .stationary, .sequence, .mixed: []
      }
    }

    /// The parts into which it splits heads.
    var headParts: Int {
      switch layout {
      case .summa, .tesseract, .threeDimensional: degrees[1]
      case .data, .megatron, .stationary, .sequence, .mixed: degrees.reduce(1, *)
      }
    }
  }

  /// Calls `body` with each mixture over data x `tensor` devices.
  package func forEach(tensor: Int, _ body: (PlanChoices) throws -> Void) rethrows {
    let batch = microBatches.max() ?? 1
    let ends = shapes(tensor).filter { batch % ($0.rowParts.first ?? 1) == 0 }
    let shapes = ends.filter { batch % ($0.rowParts.last ?? 1) == 0 }
    let heads = training.model.sizes[.heads]
    for embedding in ends {
      for attention in shapes where heads % attention.headParts == 0 {
        for mlp in shapes {
          for head in ends where Set([embedding, attention, mlp, head]).count > 1 {
            let blocks: [BlockClass: Shape] = [
              .embedding: embedding, .attention: attention, .mlp: mlp, .head: head,
            ]
            guard hasPinned(blocks) else { continue }
            for choices in variants(of: blocks, tensor) { try body(choices) }
          }
        }
      }
    }
  }

  /// Every shape with `tensor` devices, but for those that are another layout's point.
  private func shapes(_ tensor: Int) -> [Shape] {
    var found: [Shape] = []
    for layout in LayoutCatalog.all {
      for degrees in meshes(tensor, layout.axisNames.count) {
        let coincides =
          switch layout.name {
          case .tesseract: degrees[2] == 1 || degrees[0] * degrees[1] == 1
          case .threeDimensional: degrees[1] == 1 && degrees[2] == 1
          case .stationary: degrees[0] == 1
          case .data, .megatron, .summa, .sequence, .mixed: false
          }
        if !coincides { found.append(Shape(layout: layout.name, degrees: degrees)) }
      }
    }
    return found
  }

  private func meshes(_ devices: Int, _ rank: Int) -> [[Int]] {
    if rank == 0 { return devices == 1 ? [[]] : [] }
    return (1...devices).filter { devices % $0 == 0 }.flatMap { first in
      meshes(devices / first, rank - 1).map { [first] + $0 }
    }
  }

  /// Whether a block of the model has what is pinned.
  private func hasPinned(_ blocks: [BlockClass: Shape]) -> Bool {
    let layouts = blocks.filter { training.model.has($0.key) }.map(\.value.layout)
    let splitsStream = layouts.contains(.megatron) || layouts.contains(.stationary)
    let hasPanels = layouts.contains(.summa) || layouts.contains(.tesseract)
    return (splitsStream || sequenceParallel != [true]) && (hasPanels || matmul != [.stepped])
  }

  private func variants(of blocks: [BlockClass: Shape], _ tensor: Int) -> [PlanChoices] {
    let data = devices / tensor
    let classes: [BlockClass] = [.embedding, .attention, .mlp, .head]
    let most = classes.compactMap { blocks[$0]?.rank }.max()
    guard let finest = classes.compactMap({ blocks[$0] }).first(where: { $0.rank == most }),
      let names = LayoutCatalog.all.first(where: { $0.name == finest.layout })?.axisNames
    else { return [] }
    let mesh = Mesh(
      [MeshAxis("data", data)] + zip(names, finest.degrees).map { MeshAxis($0, $1) })
    var choices = PlanChoices(
      layout: .mixed, blocks: blocks.mapValues(\.layout), mesh: mesh, placement: [],
      sequenceParallel: false, gathersInputs: .saved, keyValue: .copied, microBatch: 0,
      microBatches: 0, layers: training.model.layers)
    choices.blockMeshes = blocks.mapValues(\.degrees)
    var result = microBatches.map { size in
      choices.microBatch = size
      choices.microBatches = training.workload.globalBatch / data / size
      return choices
    }
    result = vary(result, \.sequenceParallel, sequenceParallel)
    result = vary(result, \.gathersInputs, gathers)
    result = vary(result, \.gathersWeights, gathers)
    result = vary(result, \.matmul, matmul)
    result = vary(result, \.keyValue, keyValue)
    result = vary(result, \.weightsOver, data > 1 ? weightsOver : [[]])
    result = vary(result, \.tableForm, tableForms(blocks))
    result = vary(result, \.tableGradients, isTied ? TableGradients.allCases : [.added])
    return result.flatMap { choices in
      let isOver = choices.weightsOver.contains("data")
      return vary([choices], \.zero, isOver ? [3] : data > 1 ? zero : [0])
    }
  }

  private func vary<Value>(
    _ all: [PlanChoices], _ path: WritableKeyPath<PlanChoices, Value>, _ values: [Value]
  ) -> [PlanChoices] {
    all.flatMap { choices in
      values.map { value in
        var choices = choices
        choices[keyPath: path] = value
        return choices
      }
    }
  }

  /// The forms that the embedding's or, of a tied table, the head's layout has.
  private func tableForms(_ blocks: [BlockClass: Shape]) -> [TableForm] {
    guard training.model.has(.embedding) else { return [.gathered] }
    let named = [blocks[.embedding], isTied ? blocks[.head] : nil].compactMap { $0?.layout }
    let layouts = LayoutCatalog.all.filter { named.contains($0.name) }
    return TableForm.allCases.filter { form in
      layouts.contains { $0.tableForms(isTied: isTied).contains(form) }
    }
  }
}

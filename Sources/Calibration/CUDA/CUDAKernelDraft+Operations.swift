import PlanIR

extension CUDAKernelDraft {
  mutating func operationLaunches(_ kind: OperationKind) -> [CUDALaunch]? {
    switch kind {
    case .add, .activation, .activationGradient, .gatedActivation, .gatedActivationGradient:
      [elementwise(kind)]
    case .sumRows: [sumRows()]
    case .embedding, .embeddingGradient: embedding(kind)
    case .rotary(let settings): [rotary(settings, inverse: false)]
    case .rotaryGradient(let settings): [rotary(settings, inverse: true)]
    case .normStatistics(let norm): [normLaunch(kind, norm, epsilon: 0)]
    case .normApply(let norm, let epsilon), .normGradientStatistics(let norm, let epsilon),
      .normGradientInput(let norm, let epsilon), .normGradientGain(let norm, let epsilon):
      [normLaunch(kind, norm, epsilon: epsilon)]
    case .softmax, .softmaxGradient: [softmax(kind)]
    case .rowMaximum, .exponentialSum, .pickLabel, .probabilities, .tokenLoss, .logitsGradient:
      [crossEntropy(kind)]
    case .matmul, .pass, .attention, .attentionGradient, .attentionScores, .attentionContext,
      .attentionContextGradientProbabilities, .attentionContextGradientValue,
      .attentionScoresGradientQuery, .attentionScoresGradientKey, .dropout, .dropoutGradient,
      .cotangentLoss, .cotangentGradient, .features:
      nil
    }
  }

  private var places: [Int] { readPlaces + writePlaces }

  private func elementwise(_ kind: OperationKind) -> CUDALaunch {
    let elements = count(writePlaces[0])
    func function(_ source: CUDAKernelSource, _ activation: ActivationKind) -> CUDALaunch {
      launch(
        source, places, .elements(elements), [.integer(elements)],
        constants: [("FUNCTION", activation.number)])
    }
    switch kind {
    case .activation(let activation): return function(.activation, activation)
    case .activationGradient(let activation): return function(.activationGradient, activation)
    case .gatedActivation(let activation): return function(.gatedActivation, activation)
    case .gatedActivationGradient(let activation):
      return function(.gatedActivationGradient, activation)
    default:
      return launch(
        .add, places, .elements(elements), [.integer(elements), .integer(count(readPlaces[1]))])
    }
  }

  private func sumRows() -> CUDALaunch {
    let columns = count(writePlaces[0])
    return launch(
      .sumRows, places, .columns(columns),
      [.integer(count(readPlaces[0]) / max(columns, 1)), .integer(columns)],
      [("ACCUMULATE", call.accumulate)])
  }

  /// Gradients are added atomically, which takes float32.
  private func embedding(_ kind: OperationKind) -> [CUDALaunch]? {
    let isLookup = kind == .embedding
    let table = isLookup ? reads[1] : writes[0]
    let (local, columns) = (table.localSize(.vocabulary), table.localSize(.hidden))
    var offset = table.offset(of: .vocabulary, on: Self.device, in: program.mesh)
    if let panel = call.panel, panel.dimension == .vocabulary { offset = local * panel.index }
    let grid = CUDAGrid.rows(count(readPlaces[0]), columns: columns)
    let scalars: [CUDALaunch.Scalar] = [.integer(columns), .integer(offset), .integer(local)]
    if isLookup {
      return [launch(.embedding, places, grid, scalars, [("ACCUMULATE", call.accumulate)])]
    }
    guard operands[writePlaces[0]].dtype == .float32 else { return nil }
    let sum = launch(.embeddingGradient, places, grid, scalars)
    return call.accumulate ? [sum] : [zeroLaunch(writePlaces[0]), sum]
  }

  private mutating func rotary(_ rotary: RotarySettings, inverse: Bool) -> CUDALaunch {
    let sizes = reads[0].localSizes
    let positions = program.positions(of: reads[0], on: Self.device)
    let angles = positions.map { position in
      rotary.frequencies.map { (inverse ? -1 : 1) * Double(position) * $0 }
    }
    let table = addTable(
      angles.flatMap { row in
        row.map { Float(rotary.attentionFactor * $0.cosine) }
          + row.map { Float(rotary.attentionFactor * $0.sine) }
      })
    let half = sizes[3] / 2
    let lines = count(readPlaces[0]) / max(sizes[3], 1)
    return launch(
      .rotary, [readPlaces[0], table, writePlaces[0]], .elements(4 * lines * ((half + 3) / 4)),
      [.integer(lines), .integer(sizes[2]), .integer(positions.count), .integer(half)])
  }

  private func softmax(_ kind: OperationKind) -> CUDALaunch {
    let columns = reads[0].localSizes.last ?? 1
    let rows = count(readPlaces[0]) / max(columns, 1)
    return launch(
      kind == .softmax ? .softmax : .softmaxGradient, places, .rows(rows, columns: columns),
      [.integer(columns)])
  }
}

extension ActivationKind {
  /// Its number in kernels.
  fileprivate var number: Int {
    switch self {
    case .geluTanh: 0
    case .geluErf: 1
    case .relu: 2
    case .silu: 3
    }
  }
}

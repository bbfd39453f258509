import PlanIR

#if canImport(Glibc)
  import Glibc
#endif

extension CUDAKernelDraft {
  func normLaunch(_ kind: OperationKind, _ norm: NormKind, epsilon: Double) -> CUDALaunch {
    let isForward = kind.isNormForward
    let x = isForward ? 0 : 1
    let columns = reads[x].localSizes.last ?? 1
    let rows = count(readPlaces[x]) / max(columns, 1)
    let sizes: [CUDALaunch.Scalar] = [.integer(rows), .integer(columns)]
    let whole: [CUDALaunch.Scalar] = [
      .real(Float(reads[x].sizes.last ?? 1)), .real(Float(epsilon)),
    ]
    let layer = ("LAYER", norm == .layer)
    let accumulate = ("ACCUMULATE", call.accumulate)
    let (places, grid) = (readPlaces + writePlaces, CUDAGrid.rows(rows, columns: columns))
    switch kind {
    case .normStatistics: return launch(.normStatistics, places, grid, sizes, [layer])
    case .normApply:
      let bias = readPlaces.count > 3 ? readPlaces[3] : nil
      return launch(
        .normApply, [readPlaces[0], readPlaces[1], readPlaces[2], bias, writePlaces[0]], grid,
        sizes + whole, [layer, ("BIAS", bias != nil)])
    case .normGradientStatistics:
      return launch(.normGradientStatistics, places, grid, sizes + whole, [layer])
    case .normGradientInput:
      return launch(.normGradientInput, places, grid, sizes + whole, [layer, accumulate])
    default:
      return launch(
        .normGradientGain, places, .columns(columns), sizes + whole, [layer, accumulate])
    }
  }

  func crossEntropy(_ kind: OperationKind) -> CUDALaunch {
    let logits = reads[0]
    let columns = logits.index(of: .vocabulary) == nil ? 1 : logits.localSize(.vocabulary)
    let offset = logits.offset(of: .vocabulary, on: Self.device, in: program.mesh)
    let valid = min(max(program.vocabulary - offset, 0), columns)
    let rows = logits.localCount / max(columns, 1)
    let (places, grid) = (readPlaces + writePlaces, CUDAGrid.rows(rows, columns: columns))
    let sizes: [CUDALaunch.Scalar] = [.integer(columns), .integer(valid)]
    switch kind {
    case .rowMaximum: return launch(.rowMaximum, places, grid, sizes)
    case .exponentialSum: return launch(.exponentialSum, places, grid, sizes)
    case .pickLabel:
      return launch(
        .pickLabel, places, .singles(rows), [.integer(rows)] + sizes + [.integer(offset)])
    case .probabilities: return launch(.probabilities, places, grid, sizes)
    case .tokenLoss:
      return launch(
        .tokenLoss, places, .one, [.integer(count(readPlaces[3])), .real(Self.lossScale)])
    default:
      return launch(
        .logitsGradient, places, grid, sizes + [.integer(offset), .real(Self.lossScale)])
    }
  }

  /// One over the labels that count; what it is does not change the time.
  private static let lossScale: Float = 1
}

extension OperationKind {
  /// Whether the first operand of a norm's operation is its input rather than a gradient.
  fileprivate var isNormForward: Bool {
    switch self {
    case .normStatistics, .normApply: true
    default: false
    }
  }
}

extension Double {
  var cosine: Double { cos(self) }
  var sine: Double { sin(self) }
}

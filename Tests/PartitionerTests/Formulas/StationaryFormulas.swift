import PlanIR
import TestSupport

/// Weight-stationary 2-D on x by y devices: a linear from the stream contracts over x and leaves its
/// columns on y; one that leads back contracts over y and leaves its columns on x. No weight moves.
/// With sequence parallelism the stream's rows are split over y besides.
struct StationaryFormulas: LayoutFormulas {
  let of: FormulaCase

  init(_ of: FormulaCase) { self.of = of }

  private var x: Int { of.proof.mesh[0] }
  private var y: Int { of.proof.mesh[1] }
  private var isParallel: Bool { of.proof.sequenceParallel }
  /// Rows of the stream are whole on each of these.
  private var rowCopies: Int { isParallel ? 1 : y }

  var vocabularyParts: Int { x * y }

  /// A stream made whole over y: nothing where it is.
  private func whole(_ count: Int) -> Traffic {
    isParallel ? ["y all-gather": count * (y - 1) * of.value] : [:]
  }

  /// A stream that is partial over y brought to its storage.
  private func summed(_ count: Int) -> Traffic {
    isParallel
      ? ["y reduce-scatter": count * (y - 1) * of.value]
      : ["y all-reduce": 2 * count * (y - 1) * of.value]
  }

  func linears(_ phase: Phase) -> Traffic {
    let overX = (x - 1) * of.value
    return switch phase {
    case .forward:
      ["x reduce-scatter": of.innerResults * overX, "x all-gather": of.innerInputs * overX]
        + whole(of.streamInputs) + summed(of.streamResults)
    case .inputGradient:
      ["x all-gather": of.innerResults * overX, "x reduce-scatter": of.innerInputs * overX]
        + whole(of.streamResults) + summed(of.streamInputs)
    case .weightGradient:
      (["x all-gather": of.innerInputs * overX] + whole(of.streamInputs)) * of.inputsAgain
    default: [:]
    }
  }

  /// The stream made whole on each device, as tables split along v alone want it. Split over x
  /// only, each of y groups gathers E; split over both, sequences are gathered first.
  private var gathered: Traffic {
    ["x all-gather": of.elements * y * (x - 1) * of.value] + whole(of.elements)
  }

  /// A stream that is partial over x and y brought to its storage: E(xy-1) in all where both split
  /// it, in whatever order; sequences are scattered first.
  private var scattered: Traffic {
    isParallel
      ? [
        "y reduce-scatter": of.elements * x * (y - 1) * of.value,
        "x reduce-scatter": of.elements * (x - 1) * of.value,
      ]
      : [
        "x reduce-scatter": of.elements * y * (x - 1) * of.value,
        "y all-reduce": 2 * of.elements * (y - 1) * of.value,
      ]
  }

  func embedding(_ phase: Phase) -> Traffic {
    switch phase {
    case .forward: scattered
    case .weightGradient: gathered
    default: [:]
    }
  }

  func head(_ phase: Phase) -> Traffic {
    switch phase {
    case .forward: gathered
    case .inputGradient: scattered
    case .weightGradient: gathered * of.inputsAgain
    default: [:]
    }
  }

  /// Rows that are whole on y devices are reduced on each: 16M(x-1)/x of one device and layer.
  var norm: Traffic {
    ["x all-reduce": 2 * of.statistics * of.rows * rowCopies * (x - 1) * of.statistic]
  }

  var crossEntropy: Traffic {
    let name = joined(["x": x, "y": y])
    return ["\(name) all-reduce": 6 * of.rows * (x * y - 1) * of.statistic]
  }

  /// `split` lies once in a mesh; vectors along the stream have copies over y, whose gradients are
  /// equal unless y splits rows.
  private func sums(split: Int, vectors: Int) -> Traffic {
    let rows = joined(["data": of.data, "y": y])
    let once: Traffic = ["data all-reduce": 2 * split * (of.data - 1) * of.gradient]
    return once
      + (isParallel
        ? ["\(rows) all-reduce": 2 * vectors * (of.data * y - 1) * of.gradient]
        : ["data all-reduce": 2 * vectors * y * (of.data - 1) * of.gradient])
  }

  var layerCopies: Traffic {
    sums(split: of.weights + of.headVectors + of.wideVectors, vectors: of.streamVectors)
  }

  /// A position table is split as the stream is: with its sequences it lies once.
  var embeddingCopies: Traffic { sums(split: table + of.positions * rowCopies, vectors: 0) }

  var headCopies: Traffic {
    sums(split: table * (of.tables - 1), vectors: of.lastVectors)
      + ["data all-reduce": 2 * (of.data - 1) * x * y * of.statistic]
  }

  var stored: Int {
    let layers = of.proof.sample.layers
    let split = layers * (of.weights + of.headVectors + of.wideVectors) + of.tables * table
    let positions = of.positions / (isParallel ? x * y : x)
    return split / (x * y) + (layers * of.streamVectors + of.lastVectors) / x + positions
  }
}

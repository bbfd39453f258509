import PlanIR
import TestSupport

/// What a layout moves and stores, in closed form: written from the published formulas, without a
/// look at how plans are lowered.
protocol LayoutFormulas {
  init(_ of: FormulaCase)

  /// The case that they are evaluated for.
  var of: FormulaCase { get }
  /// Into how many parts the vocabulary is split anywhere.
  var vocabularyParts: Int { get }

  /// The products of a layer's linears in `phase`, of one micro-batch.
  func linears(_ phase: Phase) -> Traffic
  /// Looking tokens up in `phase`.
  func embedding(_ phase: Phase) -> Traffic
  /// The head's product in `phase`.
  func head(_ phase: Phase) -> Traffic
  /// The sums of one norm, forward or backward.
  var norm: Traffic { get }
  /// Maximum, sum and label's logit of each row.
  var crossEntropy: Traffic { get }

  /// Gradients of a layer's parameters, summed over their copies once a step.
  var layerCopies: Traffic { get }
  /// Of the embedding's.
  var embeddingCopies: Traffic { get }
  /// Of the head's, and the loss.
  var headCopies: Traffic { get }

  /// Elements of all parameters on one device.
  var stored: Int { get }
}

extension LayoutFormulas {
  /// v, padded.
  var vocabulary: Int { of.vocabulary(parts: vocabularyParts) }
  /// The elements of a token table.
  var table: Int { vocabulary * of.hidden }
  /// The elements of the logits.
  var logits: Int { of.rows * vocabulary }

  /// All that a step moves.
  var step: Traffic {
    let phases: [Phase] = [.forward, .inputGradient, .weightGradient]
    let layers = of.proof.sample.layers
    var each: Traffic = crossEntropy + norm * 2 * (2 * layers + 1)
    for phase in phases {
      each = each + linears(phase) * layers + embedding(phase) + head(phase)
    }
    return each * of.proof.microBatches + layerCopies * layers + embeddingCopies + headCopies
  }
}

/// The formulas of the layout of `formulaCase`.
func formulas(_ formulaCase: FormulaCase) -> any LayoutFormulas {
  switch formulaCase.proof.layout {
  case .summa, .tesseract: PanelFormulas(formulaCase)
  case .threeDimensional: ThreeDimensionalFormulas(formulaCase)
  case .stationary: StationaryFormulas(formulaCase)
  case .sequence: SequenceFormulas(formulaCase)
  default: MegatronFormulas(formulaCase)
  }
}

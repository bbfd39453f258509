import Partitioner
import PlanIR

/// The largest steps that are planned: beyond them sums of bytes would not fit 64 bits.
enum StepLimits {
  /// Of elements of the widest activation of every layer, over the whole step.
  private static let elements = 0x1p53
  /// Of multiplications of one product, over the whole step: twice as many are counted.
  private static let products = 0x1p61
  /// Of parameters times devices.
  private static let copies = 0x1p57

  static func check(
    _ model: Model, _ workload: Workload, devices: Int
  ) throws(ConstraintViolation) {
    let tokens = Double(workload.globalBatch) * Double(workload.sequence)
    let layers = Double(max(model.layers, 1))
    let activations = tokens * layers * widest(model, workload)
    guard activations <= elements else {
      throw ConstraintViolation(
        constraint: "tokens x layers x widest activation <= 2^53",
        found: "\(activations) elements", needed: "at most \(elements)",
        remedy: "a smaller --global-batch or --sequence")
    }
    let products = tokens * widestProduct(model, workload)
    guard products <= self.products else {
      throw ConstraintViolation(
        constraint: "tokens x rows x columns of the widest product <= 2^61",
        found: "\(products) multiplications", needed: "at most \(self.products)",
        remedy: "a smaller --global-batch or --sequence")
    }
    let parameters = Double(model.parameterCount) * Double(devices)
    guard parameters <= copies else {
      throw ConstraintViolation(
        constraint: "parameters x devices <= 2^57", found: "\(parameters)",
        needed: "at most \(copies)", remedy: "fewer --devices")
    }
  }

  /// Multiplications of a token in the product that has most: a weight's, or attention's.
  private static func widestProduct(_ model: Model, _ workload: Workload) -> Double {
    let sizes = model.sizes
    let heads = Double(sizes[.heads]) * Double(sizes[.headWidth])
    let vocabulary = Double(sizes[.vocabulary]) + Double(workload.padVocabulary)
    let columns = max(Double(sizes[.wide]), heads, vocabulary)
    return max(Double(sizes[.hidden]) * columns, heads * Double(workload.sequence))
  }

  private static func widest(_ model: Model, _ workload: Workload) -> Double {
    let sizes = model.sizes
    let scores = workload.attention == .unfused ? sizes[.heads] * workload.sequence : 0
    let logits = (sizes[.vocabulary] + workload.padVocabulary) / max(model.layers, 1)
    let columns = [
      sizes[.hidden], sizes[.wide], sizes[.heads] * sizes[.headWidth], scores, logits,
    ]
    return Double(columns.max() ?? 1)
  }
}

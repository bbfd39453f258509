/// The named dimensions of a transformer's tensors: the words that models, layouts and shardings
/// share.
///
/// An operation's *factors* are the dimensions of its operands and results; those of the operands
/// that no result has are contracted.
package enum Dimension: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
  /// Sequences that are computed at a time.
  case batch
  /// Token positions within a sequence, as queries.
  case sequence
  /// Token positions as keys; split only by context parallelism.
  case keySequence = "key_sequence"
  /// The residual stream's features.
  case hidden
  /// Query heads.
  case heads
  /// Key and value heads; they divide the query heads.
  case keyValueHeads = "key_value_heads"
  /// Features of one head.
  case headWidth = "head_width"
  /// Features between the two linears of an MLP.
  case wide = "ffn"
  /// Tokens a table or the logits have, padded as the plan says.
  case vocabulary
  /// Rows of a table of learned positions; a model's maximum sequence.
  case positions
  /// Rows of that table past the workload's sequence: stored, never read.
  case unusedPositions = "unused_positions"
  /// The one value that RMSNorm keeps of a row.
  case statistic
  /// The two values that LayerNorm keeps of a row.
  case statisticPair = "statistic_pair"

  package static func < (left: Dimension, right: Dimension) -> Bool {
    left.rawValue < right.rawValue
  }

  package static func >= (left: Dimension, right: Dimension) -> Bool {
    left == right || left.rawValue > right.rawValue
  }
}

/// The size of each named dimension; zero where a model has none.
package struct DimensionSizes: Hashable, Sendable {
  private var sizes: [Dimension: Int] = [:]

  /// No dimension has a size.
  package init() {}

  /// Takes the sizes as given.
  package init(_ sizes: [Dimension: Int]) { self.sizes = sizes }

  package subscript(dimension: Dimension) -> Int {
    get { sizes[dimension, default: 0] }
    set { sizes[dimension] = newValue }
  }

  /// The dimensions that have a size, by name.
  package var named: [(Dimension, Int)] {
    sizes.filter { $0.value != 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The size of each of `dimensions`.
  package func shape(of dimensions: [Dimension]) -> [Int] { dimensions.map { self[$0] } }
}

/// The named dimensions of a transformer's tensors: the words that models, layouts and shardings
/// share.
///
/// An operation's *factors* are the dimensions of its operands and results; those of the operands
/// that no result has are contracted.
@frozen public enum Dimension: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
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

  /// Its place among all in the order of names, by which they are compared.
  @inlinable public var place: Int {
    switch self {
    case .batch: 0
    case .wide: 1
    case .headWidth: 2
    case .heads: 3
    case .hidden: 4
    case .keySequence: 5
    case .keyValueHeads: 6
    case .positions: 7
    case .sequence: 8
    case .statistic: 9
    case .statisticPair: 10
    case .unusedPositions: 11
    case .vocabulary: 12
    }
  }

  /// By name.
  @inlinable public static func < (left: Dimension, right: Dimension) -> Bool {
    left.place < right.place
  }

  /// Whether both are the same dimension.
  @inlinable public static func == (left: Dimension, right: Dimension) -> Bool {
    left.place == right.place
  }
}

/// The size of each named dimension; zero where a model has none.
package struct DimensionSizes: Hashable, Sendable {
  /// By the dimensions' places; 0 of those that have none.
  private var sizes = [Int](repeating: 0, count: Dimension.allCases.count)

  /// No dimension has a size.
  package init() {}

  /// Takes the sizes as given.
  package init(_ sizes: [Dimension: Int]) {
    for (dimension, size) in sizes { self[dimension] = size }
  }

  package subscript(dimension: Dimension) -> Int {
    get { sizes[dimension.place] }
    set { sizes[dimension.place] = newValue }
  }

  /// The dimensions that have a size, by name.
  package var named: [(Dimension, Int)] {
    Dimension.allCases.sorted().map { ($0, self[$0]) }.filter { $0.1 != 0 }
  }

  /// The size of each of `dimensions`.
  package func shape(of dimensions: [Dimension]) -> [Int] { dimensions.map { self[$0] } }
}

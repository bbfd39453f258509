package import PlanIR

/// The extents of one attention call on the local heads, rows and keys of a sharded whole.
///
/// q and o are [batch, querySequence, heads, width]; k and v are [batch, keySequence,
/// keyValueHeads, width]. Query row i is global position `queryOffset + i`, key row j is
/// `keyOffset + j`. Query head h reads key-value head `(headOffset + h) / headsPerKeyValue -
/// keyValueHeadOffset`. Example: 8 query heads over 2 key-value heads, second half of the heads:
/// heads 4, headOffset 4, keyValueHeads 1, keyValueHeadOffset 1, headsPerKeyValue 4.
package struct AttentionShape: Sendable {
  package var batch, querySequence, keySequence: Int
  package var heads, keyValueHeads, width: Int
  package var headOffset, keyValueHeadOffset: Int
  /// Query heads that share a key-value head, counted over the whole model.
  package var headsPerKeyValue: Int
  package var queryOffset, keyOffset: Int
  /// Whether a query sees only keys at its own position and before.
  package var causal: Bool
  /// If set, query i sees key j only where i - j < window, in global positions.
  package var window: Int?
  /// What scores are multiplied by, usually 1 / sqrt(width).
  package var scale: Double

  /// The extents of one attention call.
  package init(
    batch: Int, querySequence: Int, keySequence: Int, heads: Int, keyValueHeads: Int, width: Int,
    headOffset: Int = 0, keyValueHeadOffset: Int = 0, headsPerKeyValue: Int,
    queryOffset: Int = 0, keyOffset: Int = 0, causal: Bool, window: Int? = nil, scale: Double
  ) {
    self.batch = batch
    self.querySequence = querySequence
    self.keySequence = keySequence
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.width = width
    self.headOffset = headOffset
    self.keyValueHeadOffset = keyValueHeadOffset
    self.headsPerKeyValue = headsPerKeyValue
    self.queryOffset = queryOffset
    self.keyOffset = keyOffset
    self.causal = causal
    self.window = window
    self.scale = scale
  }
}

extension AttentionShape {
  /// The local key-value head that local query head `head` reads.
  package func keyValueHead(of head: Int) -> Int {
    (headOffset + head) / headsPerKeyValue - keyValueHeadOffset
  }

  /// The local keys that local query row `query` sees.
  package func visibleKeys(ofQuery query: Int) -> Range<Int> {
    let position = queryOffset + query - keyOffset
    let end = causal ? min(keySequence, position + 1) : keySequence
    let start = window.map { max(0, position - $0 + 1) } ?? 0
    return start < end ? start..<end : 0..<0
  }

  /// The smallest run of local keys that holds all that a block of query rows sees.
  func visibleKeys(ofQueries queries: Range<Int>) -> Range<Int> {
    let seen = queries.lazy.map(visibleKeys(ofQuery:)).filter { !$0.isEmpty }
    guard let start = seen.map(\.lowerBound).min(), let end = seen.map(\.upperBound).max() else {
      return 0..<0
    }
    return start..<end
  }

  /// Elements of q or o.
  var queryCount: Int { batch * querySequence * heads * width }
  /// Elements of k or v.
  var keyCount: Int { batch * keySequence * keyValueHeads * width }
  /// Elements between one query row of a head and the next.
  var queryStride: Int { heads * width }
  /// Elements between one key row of a head and the next.
  var keyStride: Int { keyValueHeads * width }

  /// Where row `row` of `head` starts in q or o.
  func queryElement(_ batch: Int, _ row: Int, _ head: Int) -> Int {
    ((batch * querySequence + row) * heads + head) * width
  }

  /// Where row `row` of key-value head `head` starts in k or v.
  func keyElement(_ batch: Int, _ row: Int, _ head: Int) -> Int {
    ((batch * keySequence + row) * keyValueHeads + head) * width
  }

  /// Calls `body` with batch entry and head for each of them.
  @inline(__always)
  func forEachHead(_ body: (_ batch: Int, _ head: Int) -> Void) {
    for entry in 0..<batch { for head in 0..<heads { body(entry, head) } }
  }
}

/// Query rows taken together: a block of scores is this high and as wide as the keys they see.
let attentionBlockRows = 64

/// Dropout of attention probabilities, drawn by global element index.
///
/// The index of (batch, head, query, key) is ((batch * globalHeads + head) * globalQuerySequence
/// + query) * globalKeySequence + key, all global; the mask is drawn anew in the backward pass.
package struct AttentionDropout: Sendable {
  package var generator: CounterGenerator
  package var probability: Double
  /// The global batch entry of each local one.
  package var batchIndices: [Int]
  package var globalHeads, globalQuerySequence, globalKeySequence: Int

  /// Dropout at `probability` over a whole of [batch, heads, query, key] probabilities.
  package init(
    generator: CounterGenerator, probability: Double, batchIndices: [Int], globalHeads: Int,
    globalQuerySequence: Int, globalKeySequence: Int
  ) {
    self.generator = generator
    self.probability = probability
    self.batchIndices = batchIndices
    self.globalHeads = globalHeads
    self.globalQuerySequence = globalQuerySequence
    self.globalKeySequence = globalKeySequence
  }

  /// The global index of local key 0 for one local query row.
  package func firstIndex(batch: Int, head: Int, query: Int, shape: AttentionShape) -> UInt64 {
    let outer = batchIndices[batch] * globalHeads + shape.headOffset + head
    let row = outer * globalQuerySequence + shape.queryOffset + query
    return UInt64(row * globalKeySequence + shape.keyOffset)
  }

  /// Draws the mask of `count` keys from `first` on, for one query row of a block.
  func fill(
    _ mask: UnsafeMutablePointer<UInt8>, _ block: AttentionBlock, query: Int,
    shape: AttentionShape
  ) {
    let row = firstIndex(batch: block.batch, head: block.head, query: query, shape: shape)
    DropoutDraw(generator: generator, probability: probability)
      .fill(mask, count: block.keys.count, from: row &+ UInt64(block.keys.lowerBound))
  }
}

package import PlanIR

/// What one step of attention over a sequence in parts works on: some query rows and some key rows,
/// each at positions of their own.
///
/// Rows are cut into runs at consecutive positions; each pair of runs is attention with offsets. For
/// example queries at positions 0, 1, 6, 7 are the runs `row 0, position 0, count 2` and `row 2,
/// position 6, count 2`.
package struct AttentionStep: Sendable {
  /// The extents of all rows; its offsets are not used.
  package var shape: AttentionShape
  package var queries, keys: [SequenceRun]

  /// A step over rows whose runs are `queries` and `keys`, together all rows of `shape`.
  package init(_ shape: AttentionShape, queries: [SequenceRun], keys: [SequenceRun]) {
    self.shape = shape
    self.queries = queries
    self.keys = keys
  }
}

extension AttentionStep {
  /// `shape` with the positions of one run of queries and one of keys.
  private func placed(_ query: SequenceRun, _ key: SequenceRun) -> AttentionShape {
    var placed = shape
    placed.queryOffset = query.position - query.row
    placed.keyOffset = key.position - key.row
    return placed
  }

  /// The blocks of one head that see a key, each with the shape that has its positions; a query row
  /// comes once for each run of keys that it sees.
  @inline(__always)
  func forEachBlock(
    _ batch: Int, _ head: Int, _ body: (AttentionBlock, AttentionShape) -> Void
  ) {
    for query in queries {
      for start in stride(from: query.row, to: query.rows.upperBound, by: attentionBlockRows) {
        let rows = start..<min(start + attentionBlockRows, query.rows.upperBound)
        for key in keys {
          let placed = placed(query, key)
          let seen = placed.visibleKeys(ofQueries: rows).clamped(to: key.rows)
          guard !seen.isEmpty else { continue }
          body(AttentionBlock(batch: batch, head: head, queries: rows, keys: seen), placed)
        }
      }
    }
  }
}

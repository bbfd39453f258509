/// In which order the places of a program's sequence run through the model's positions.
///
/// A sharding cuts a sequence into contiguous parts of places. What maps a place to data, a weight, a
/// rotation or a mask goes through the order; everything else sees places alone.
package enum SequenceOrder: Hashable, Sendable {
  /// Place p is position p.
  case identity
  /// Of `2 parts` equal chunks of positions, part c of the places has chunks c and `2 parts - 1 - c`,
  /// so that all parts have as much to do under a causal mask. For two parts of 8 positions: 0, 1, 6,
  /// 7, then 2, 3, 4, 5.
  case zigzag(parts: Int)

  /// The model's position at `place` of a sequence of `count`.
  package func position(of place: Int, among count: Int) -> Int {
    switch self {
    case .identity: return place
    case .zigzag(let parts):
      let size = max(count / (2 * parts), 1)
      let (part, isSecond) = (place / size / 2, place / size % 2 == 1)
      return (isSecond ? 2 * parts - 1 - part : part) * size + place % size
    }
  }

  /// The positions at `places` of a sequence of `count`.
  package func positions(of places: Range<Int>, among count: Int) -> [Int] {
    places.map { position(of: $0, among: count) }
  }

  /// `places` of a sequence of `count` cut where the next place is not the next position, rows counted
  /// from the first place.
  package func runs(of places: Range<Int>, among count: Int) -> [SequenceRun] {
    positions(of: places, among: count).enumerated().reduce(into: []) { runs, next in
      let (row, position) = next
      if let last = runs.last, last.position + last.count == position {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(SequenceRun(row: row, position: position, count: 1))
      }
    }
  }
}

/// Rows of a device's part of a sequence at consecutive positions.
package struct SequenceRun: Hashable, Sendable {
  /// The first row, counted in the part.
  package var row: Int
  /// The model's position of the first row.
  package var position: Int
  package var count: Int

  package init(row: Int, position: Int, count: Int) {
    self.row = row
    self.position = position
    self.count = count
  }

  /// The rows of the part that it has.
  package var rows: Range<Int> { row..<row + count }
}

extension Program {
  /// The runs of positions that `device` has of a tensor with a sequence; none of one without.
  package func sequenceRuns(of type: TensorType, on device: Int) -> [SequenceRun] {
    guard let index = type.index(of: .sequence) else { return [] }
    let first = type.offset(of: .sequence, on: device, in: mesh)
    return sequenceOrder.runs(
      of: first..<first + type.localSizes[index], among: type.sizes[index])
  }

  /// The model's position of each row that `device` has of a tensor with a sequence.
  package func positions(of type: TensorType, on device: Int) -> [Int] {
    sequenceRuns(of: type, on: device).flatMap { Array($0.position..<$0.position + $0.count) }
  }
}

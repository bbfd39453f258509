import Kernels
import PlanIR
import Testing

@Suite(.serialized) struct ElementwiseKernelsTests {
  @Test(arguments: precisions, [(1, 1), (3, 7), (5, 300), (17, 33)])
  func `sums and products agree with their definitions, in place too`(
    _ dtype: DType, _ shape: (Int, Int)
  ) {
    let draw = Draw(seed: 11, dtype: dtype)
    let (rows, columns) = shape
    let (x, y) = (draw.numbers(rows * columns, "x"), draw.numbers(rows * columns, "y"))
    let vector = draw.numbers(columns, "vector")
    let (left, right) = (Tensor(x, dtype), Tensor(y, dtype))
    let out = draw.empty(x.count)
    ElementwiseKernels.multiply(left.view, right.view, into: out.view)
    expectClose(out.values, zip(x, y).map(*), draw, single: 1e-7)
    ElementwiseKernels.add(left.view, right.view, into: out.view)
    expectClose(out.values, zip(x, y).map(+), draw, single: 2e-7)
    ElementwiseKernels.addRowBroadcast(
      left.view, Tensor(vector, dtype).view, columns: columns, into: left.view)
    let sums = x.indices.map { x[$0] + vector[$0 % columns] }
    expectClose(left.values, sums, draw, single: 2e-7)
    ElementwiseKernels.scaledCopy(right.view, factor: -2, into: out.view)
    #expect(out.values == y.map { -2 * $0 })
    ElementwiseKernels.scale(out.view, by: 0.5)
    #expect(out.values == y.map { -$0 })
    ElementwiseKernels.copy(right.view, into: out.view)
    #expect(out.values == y)
    let (product, expected) = (ElementwiseKernels.dotProduct(right.view, out.view), inner(y, y))
    #expect(abs(product - expected) <= 1e-14 * expected)
    ElementwiseKernels.zero(out.view)
    #expect(out.values.allSatisfy { $0 == 0 })
  }

  @Test(arguments: precisions, [(1, 1, false), (3, 7, true), (5, 300, true), (40, 513, false)])
  func `row sums add up columns`(_ dtype: DType, _ shape: (Int, Int, Bool)) {
    let draw = Draw(seed: 12, dtype: dtype)
    let (rows, columns, accumulate) = shape
    let (x, before) = (draw.numbers(rows * columns, "x"), draw.numbers(columns, "y"))
    let out = Tensor(before, dtype)
    ElementwiseKernels.sumRows(
      Tensor(x, dtype).view, rows: rows, columns: columns, into: out.view, accumulate: accumulate)
    let expected = (0..<columns).map { column in
      (0..<rows).reduce(accumulate ? before[column] : 0) { $0 + x[$1 * columns + column] }
    }
    expectClose(out.values, expected, draw, single: 1e-6)
  }

  @Test(arguments: precisions)
  func `embedding shards add up to the lookup, and scatter is its transpose`(_ dtype: DType) {
    let draw = Draw(seed: 13, dtype: dtype)
    let (vocabulary, columns, ids) = (10, 5, [3, 9, 0, 3, 4, 6] as [Int64])
    let (table, gradient) = (draw.numbers(50, "table"), draw.numbers(30, "gradient"))
    var looked = [Double](repeating: 0, count: 30)
    var scattered: [Double] = []
    for (offset, local) in [(0, 4), (4, 6)] {
      let rows = Array(table[offset * columns..<(offset + local) * columns])
      let (out, slopes) = (draw.empty(30), Tensor(rows, dtype))
      let identifiers = Tensor(integers: ids)
      EmbeddingKernels.lookup(
        ids: identifiers.view, table: slopes.view, vocabularyOffset: offset,
        localVocabulary: local, columns: columns, into: out.view)
      looked = zip(looked, out.values).map(+)
      EmbeddingKernels.scatterAdd(
        ids: identifiers.view, gradient: Tensor(gradient, dtype).view, vocabularyOffset: offset,
        localVocabulary: local, columns: columns, into: slopes.view)
      scattered += slopes.values
    }
    let rows = (0..<30).map { element in table[Int(ids[element / 5]) * 5 + element % 5] }
    #expect(looked == rows)
    let expected = (0..<vocabulary * columns).map { element in
      ids.indices.filter { ids[$0] == element / 5 }
        .reduce(table[element]) { $0 + gradient[$1 * 5 + element % 5] }
    }
    expectClose(scattered, expected, draw, single: 1e-6)
  }
}

import Kernels
import PlanIR
import Testing

@Suite struct NormKernelsTests {
  /// A norm forward and backward, its columns cut into shards whose statistics are summed.
  struct Sharded {
    var y: [Double] = []
    var dx: [Double] = []
    var dgain: [Double] = []
  }

  struct Problem {
    let kind: NormKind
    let rows: Int
    let draw: Draw
    let x, dy, gain, bias: [Double]
    let epsilon = 1e-5
    var columns: Int { gain.count }

    init(_ kind: NormKind, _ rows: Int, _ columns: Int, _ draw: Draw) {
      (self.kind, self.rows, self.draw) = (kind, rows, draw)
      x = draw.numbers(rows * columns, "x")
      dy = draw.numbers(rows * columns, "dy")
      gain = draw.numbers(columns, "gain")
      bias = draw.numbers(columns, "bias")
    }

    func slice(_ values: [Double], _ range: Range<Int>) -> Tensor {
      let rows = values.count / columns
      return Tensor(
        (0..<rows).flatMap { row in range.map { values[row * columns + $0] } }, draw.dtype)
    }

    func shape(_ local: Int) -> NormShape {
      NormShape(
        kind: kind, rows: rows, columns: local, globalColumns: columns, epsilon: epsilon)
    }

    func total(_ cuts: [Range<Int>], _ part: (Range<Int>, Tensor) -> Void) -> Tensor {
      let sum = Tensor([Double](repeating: 0, count: kind.statisticCount * rows), draw.dtype)
      for cut in cuts {
        let local = draw.empty(sum.view.count)
        part(cut, local)
        ElementwiseKernels.add(sum.view, local.view, into: sum.view)
      }
      return sum
    }

    /// Columns are put back in their place in the whole row.
    func join(_ parts: [[Double]], _ cuts: [Range<Int>], rows: Int) -> [Double] {
      (0..<rows).flatMap { row in
        zip(parts, cuts).flatMap { $0[row * $1.count..<(row + 1) * $1.count] }
      }
    }

    func run(_ cuts: [Range<Int>], accumulate: Bool = false) -> Sharded {
      let stats = total(cuts) {
        NormKernels.statistics(slice(x, $0).view, shape: shape($0.count), into: $1.view)
      }
      let dstats = total(cuts) {
        NormKernels.gradientStatistics(
          slice(dy, $0).view, x: slice(x, $0).view, stats: stats.view,
          gain: slice(gain, $0).view, shape: shape($0.count), into: $1.view)
      }
      var parts: [Sharded] = []
      for cut in cuts {
        parts.append(run(cut, stats, dstats, accumulate))
      }
      return Sharded(
        y: join(parts.map(\.y), cuts, rows: rows), dx: join(parts.map(\.dx), cuts, rows: rows),
        dgain: join(parts.map(\.dgain), cuts, rows: 1))
    }

    func run(_ cut: Range<Int>, _ stats: Tensor, _ dstats: Tensor, _ accumulate: Bool) -> Sharded {
      let (y, dx, dgain) = (
        slice(x, cut), slice(bias + dy.dropFirst(columns), cut), slice(bias, cut)
      )
      let (input, upstream, factor) = (slice(x, cut), slice(dy, cut), slice(gain, cut))
      NormKernels.apply(
        y.view, stats: stats.view, gain: factor.view, bias: slice(bias, cut).view,
        shape: shape(cut.count), into: y.view)
      NormKernels.gradientInput(
        upstream.view, x: input.view, stats: stats.view, dstats: dstats.view, gain: factor.view,
        shape: shape(cut.count), into: dx.view, accumulate: accumulate)
      NormKernels.gradientGain(
        upstream.view, x: input.view, stats: stats.view, shape: shape(cut.count),
        into: dgain.view, accumulate: accumulate)
      return Sharded(y: y.values, dx: dx.values, dgain: dgain.values)
    }
  }

  @Test(arguments: NormKind.allCases, [(1, 1), (3, 7), (5, 64), (9, 301)])
  func `norms agree with their definition, whole and in shards`(
    _ kind: NormKind, _ extents: (Int, Int)
  ) {
    for dtype in precisions {
      expectShards(Problem(kind, extents.0, extents.1, Draw(seed: 21, dtype: dtype)))
    }
  }

  func expectShards(_ problem: Problem) {
    let (kind, rows, columns) = (problem.kind, problem.rows, problem.columns)
    let whole = problem.run([0..<columns])
    let expected = Naive.norm(
      kind, problem.x, gain: problem.gain, bias: problem.bias, rows: rows, epsilon: 1e-5)
    // A row of one has variance 0: a rounding of the mean is divided by sqrt(epsilon).
    let slack = columns == 1 ? 1e3 : 1
    expectClose(whole.y, expected, problem.draw, single: 2e-6 * slack, double: 1e-13 * slack)
    guard columns > 3 else { return }
    let shards = problem.run([0..<3, 3..<columns])
    expectClose(shards.y, whole.y, problem.draw, single: 2e-6)
    expectClose(shards.dx, whole.dx, problem.draw, single: 4e-6)
    expectClose(shards.dgain, whole.dgain, problem.draw, single: 4e-6)
  }

  @Test(arguments: NormKind.allCases, [false, true])
  func `gradients agree with central differences`(_ kind: NormKind, _ accumulate: Bool) {
    let (rows, columns) = (3, 11)
    let problem = Problem(kind, rows, columns, Draw(seed: 22, dtype: .float64))
    let result = problem.run([0..<4, 4..<columns], accumulate: accumulate)
    let base = accumulate ? 1.0 : 0
    let dx = centralDifferences(problem.x) {
      let y = Naive.norm(
        kind, $0, gain: problem.gain, bias: problem.bias, rows: rows, epsilon: 1e-5)
      return inner(y, problem.dy)
    }
    let before = problem.bias + problem.dy.dropFirst(columns)
    expectClose(result.dx, zip(dx, before).map { $0 + base * $1 }, problem.draw, double: 1e-8)
    let dgain = centralDifferences(problem.gain) {
      let y = Naive.norm(
        kind, problem.x, gain: $0, bias: problem.bias, rows: rows, epsilon: 1e-5)
      return inner(y, problem.dy)
    }
    let expected = zip(dgain, problem.bias).map { $0 + base * $1 }
    expectClose(result.dgain, expected, problem.draw, double: 1e-8)
  }

  @Test(arguments: NormKind.allCases)
  func `float gradients agree with double ones`(_ kind: NormKind) {
    let (single, double) = (Draw(seed: 23, dtype: .float32), Draw(seed: 23, dtype: .float64))
    let problem = Problem(kind, 7, 130, single)
    let exact = Problem(kind, 7, 130, double)
    let rounded = problem.run([0..<130])
    let expected = exact.run([0..<130])
    expectClose(rounded.dx, expected.dx, single, single: 1e-5)
    expectClose(rounded.dgain, expected.dgain, single, single: 1e-5)
  }
}

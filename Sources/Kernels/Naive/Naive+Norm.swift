package import PlanIR

extension Naive {
  /// The normalised x [rows, columns], before gain and bias; rows whole.
  package static func normalise(
    _ kind: NormKind, _ x: [Double], rows: Int, columns: Int, epsilon: Double
  ) -> [Double] {
    var result = x
    for row in 0..<rows {
      let line = x[row * columns..<(row + 1) * columns]
      let count = Double(columns)
      let mean = kind == .layer ? line.reduce(0, +) / count : 0
      let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      for index in line.indices {
        result[index] = (x[index] - mean) / (variance + epsilon).squareRoot()
      }
    }
    return result
  }

  /// xhat * gain + bias, for x [rows, columns] with rows whole.
  package static func norm(
    _ kind: NormKind, _ x: [Double], gain: [Double], bias: [Double], rows: Int, epsilon: Double
  ) -> [Double] {
    let columns = gain.count
    let xhat = normalise(kind, x, rows: rows, columns: columns, epsilon: epsilon)
    return xhat.indices.map { xhat[$0] * gain[$0 % columns] + bias[$0 % columns] }
  }
}

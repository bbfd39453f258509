import Reference
import Testing

@Suite("Products of the reference")
struct MatrixProductTests {
  @Test(
    "by OpenBLAS are the written sums",
    arguments: [[1, 1, 1], [3, 5, 7], [16, 16, 16], [33, 17, 65], [64, 1, 129]],
    [(false, false), (false, true), (true, false), (true, true)])
  func agreement(size: [Int], stored: (left: Bool, right: Bool)) {
    let seed: UInt64 = 11
    let left = draw(size[0], size[2], seed, "left", isTransposed: stored.left)
    let right = draw(size[2], size[1], seed, "right", isTransposed: stored.right)
    let naive = MatrixProduct.naive(left, right)
    let product = MatrixProduct()
    #expect(product.trustsBLAS)
    for result in [MatrixProduct.blas(left, right), product(left, right)] {
      #expect(
        zip(result, naive).allSatisfy { abs($0 - $1) < 1e-12 * Double(size[2]) },
        "\(size), \(stored), seed \(seed)")
    }
  }

  @Test("of a matrix stored as its transpose are those of the matrix")
  func transposition() {
    let left = Matrix(2, 3, [1, 2, 3, 4, 5, 6])
    let right = Matrix(3, 1, [1, 10, 100])
    #expect(MatrixProduct.naive(left, right) == [321, 654])
    #expect(MatrixProduct.naive(MatrixProduct.stored(transposed: left), right) == [321, 654])
    #expect(MatrixProduct.naive(right.transposed, left.transposed) == [321, 654])
  }

  private func draw(
    _ rows: Int, _ columns: Int, _ seed: UInt64, _ name: String, isTransposed: Bool
  ) -> Matrix {
    Matrix(
      rows, columns, SmallModel.draw(rows * columns, seed, name), isTransposed: isTransposed)
  }
}

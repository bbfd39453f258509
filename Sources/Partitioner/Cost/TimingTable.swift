package import PlanIR

/// Measured times of products, by shape: plain data, so that a search depends on nothing else.
package struct TimingTable: Sendable {
  private var matmuls: [MatmulSize: Double] = [:]

  /// A product's identity.
  package struct MatmulSize: Hashable, Comparable, Sendable {
    package var m, n, k: Int
    package var transposition: String

    package init(m: Int, n: Int, k: Int, transposition: String) {
      (self.m, self.n, self.k, self.transposition) = (m, n, k, transposition)
    }

    package init(_ shape: MatmulShape) {
      (m, n, k, transposition) = (shape.m, shape.n, shape.k, shape.transposition)
    }

    package static func < (left: MatmulSize, right: MatmulSize) -> Bool {
      (left.m, left.n, left.k, left.transposition)
        < (right.m, right.n, right.k, right.transposition)
    }
  }

  /// Nothing measured.
  package init() {}

  /// Whether nothing is measured.
  package var isEmpty: Bool { matmuls.isEmpty }

  /// Notes that the product `size` takes `seconds` of a core.
  package mutating func record(_ size: MatmulSize, seconds: Double) { matmuls[size] = seconds }

  /// The measured time of a product, or nil.
  package func seconds(of shape: MatmulShape) -> Double? {
    matmuls.isEmpty ? nil : matmuls[MatmulSize(shape)]
  }

  /// The measured time of a product of that size, or nil.
  package func seconds(of size: MatmulSize) -> Double? { matmuls[size] }
}

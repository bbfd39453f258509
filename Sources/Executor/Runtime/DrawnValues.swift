import PlanIR

/// Numbers drawn from a seed by place: never held whole, so that a batch weighs nothing on the
/// machine that runs it.
package struct DrawnValues: Sendable {
  private let generator: CounterGenerator
  /// How many there are.
  package let count: Int

  /// `count` numbers of mean 0 and variance 1 of the stream `name` of `seed`.
  package init(seed: UInt64, name: String, count: Int) {
    generator = CounterGenerator(seed: seed, name: name)
    self.count = count
  }

  /// The numbers at the places `range`.
  package subscript(range: Range<Int>) -> [Double] {
    range.map { generator.normal(at: UInt64($0)) }
  }

  /// All of them.
  package var all: [Double] { self[0..<count] }
}

package import PlanIR

/// A requirement that a candidate does not meet: an answer, not a failure.
package struct ConstraintViolation: Error, Hashable, Sendable, CustomStringConvertible {
  /// What must hold, `heads % tensor == 0`.
  package var constraint: String
  package var found: String
  package var needed: String
  /// What to try instead.
  package var remedy: String
  /// Where a dimension is not divisible, which, and by what.
  package private(set) var indivisible: Indivisible?

  /// A dimension that must be a multiple of `parts`.
  package struct Indivisible: Hashable, Sendable {
    package let dimension: Dimension
    package let parts: Int
  }

  package init(constraint: String, found: String, needed: String, remedy: String) {
    self.constraint = constraint
    self.found = found
    self.needed = needed
    self.remedy = remedy
  }

  /// Whether it is this version that cannot, not the plan that cannot be.
  package var isUnbuilt: Bool { constraint.hasSuffix("not built in this version") }

  package var description: String {
    "\(constraint): found \(found), needed \(needed); try \(remedy)"
  }
}

extension ConstraintViolation {
  /// A dimension that its axes do not divide, with the degree next below theirs that does, and divides the devices.
  static func indivisible(
    _ dimension: Dimension, size: Int, by axes: [AxisReference], in mesh: Mesh
  ) -> ConstraintViolation {
    let parts = axes.groupSize
    let devices = mesh.deviceCount
    let nearest =
      (1...max(1, min(parts, size))).last { size % $0 == 0 && devices % $0 == 0 } ?? 1
    let name = mesh.name(of: axes)
    var violation = ConstraintViolation(
      constraint: "\(dimension.rawValue) divisible by \(name)",
      found: "\(dimension.rawValue) \(size), \(name) \(parts)",
      needed: "\(size) % \(parts) == 0", remedy: "\(name) \(nearest)")
    violation.indivisible = Indivisible(dimension: dimension, parts: parts)
    return violation
  }

  /// The same where it is a dimension that `parts` do not divide.
  func ofDimension(_ dimension: Dimension, parts: Int) -> ConstraintViolation {
    var violation = self
    violation.indivisible = Indivisible(dimension: dimension, parts: parts)
    return violation
  }

  /// A sequence that cannot be cut into two chunks for each of `parts` devices of a ring; an all-to-all is another
  /// way where it splits `heads` and the sequence evenly.
  static func unbalancedRing(sequence: Int, parts: Int, heads: Int) -> ConstraintViolation {
    let chunks = 2 * parts
    // A longer sequence may be more than the model takes.
    let context = divisors(of: parts).last { sequence % (2 * $0) == 0 } ?? 1
    let remedy =
      sequence >= chunks
      ? "--sequence \(sequence / chunks * chunks)" : "--context \(context)"
    let mayExchange = sequence % parts == 0 && heads % parts == 0
    var violation = ConstraintViolation(
      constraint: "sequence divisible by twice the context, for ring attention",
      found: "sequence \(sequence), context \(parts)", needed: "\(sequence) % \(chunks) == 0",
      remedy: remedy + (mayExchange ? ", or --context-attention all-to-all" : ""))
    violation.indivisible = Indivisible(dimension: .sequence, parts: chunks)
    return violation
  }
}

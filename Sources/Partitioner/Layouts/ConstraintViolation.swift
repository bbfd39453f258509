/// A requirement that a candidate does not meet: an answer, not a failure.
package struct ConstraintViolation: Error, Hashable, Sendable, CustomStringConvertible {
  /// What must hold, `heads % tensor == 0`.
  package var constraint: String
  package var found: String
  package var needed: String
  /// What to try instead.
  package var remedy: String

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

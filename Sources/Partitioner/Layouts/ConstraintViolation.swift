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

  package var description: String {
    "\(constraint): found \(found), needed \(needed); try \(remedy)"
  }
}

/// A model or an input that the reference cannot run: where, what was expected, what was found.
package struct ReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The block and operation, the parameter instance or the field of the input.
  package var place: String
  package var expected: String
  package var found: String

  package init(place: String, expected: String, found: String) {
    self.place = place
    self.expected = expected
    self.found = found
  }

  package var description: String { "\(place): expected \(expected), found \(found)" }
}

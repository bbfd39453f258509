/// A model that cannot be made into graphs: where, what was expected, what was found.
package struct ModelError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The block and the operation or parameter.
  package var place: String
  package var expected: String
  package var found: String
  package var remedy: String

  package init(place: String, expected: String, found: String, remedy: String = "") {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String {
    let text = "\(place): expected \(expected), found \(found)"
    return remedy.isEmpty ? text : "\(text); \(remedy)"
  }
}

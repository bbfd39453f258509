package import PlanIR

/// Splits a command line into words as a POSIX shell does: quotes, backslashes, comments, operators that end a
/// command, each a word, and redirections, which are left out; nothing is expanded.
package enum ShellWords {
  /// The longest line that is split.
  package static let limit = 1 << 20

  /// The words of `text`.
  ///
  /// - Throws: ``LaunchError`` where a quotation does not end, or the text is too long.
  package static func split(_ text: String) throws(LaunchError) -> [String] {
    guard text.utf8.count <= limit else {
      throw LaunchError(
        "the launch", expected: "at most \(limit) bytes", found: "\(text.utf8.count)",
        remedy: "give the flags alone")
    }
    var reader = Reader(rest: Array(text.unicodeScalars)[...])
    return try reader.words()
  }

  private struct Reader {
    var rest: ArraySlice<Unicode.Scalar>
    var word: String?
    var found: [String] = []
    /// Whether the next word is a redirection's file.
    var skipsWord = false

    mutating func words() throws(LaunchError) -> [String] {
      while let scalar = rest.popFirst() {
        switch scalar {
        case " ", "\t", "\n", "\r": finish()
        case "#" where word == nil: rest = rest.drop { $0 != "\n" }
        case "'": try quoted(by: scalar)
        case "\"": try quoted(by: scalar)
        case "\\": escaped()
        case ";", "|": end(by: scalar)
        case "&" where rest.first == ">": redirect()
        case "&": end(by: scalar)
        case ">" where isDescriptor: redirect()
        default: append(scalar)
        }
      }
      finish()
      return found
    }

    private mutating func finish() {
      if let word, !skipsWord { found.append(word) }
      if word != nil { skipsWord = false }
      word = nil
    }

    /// An operator between commands: one character, or the same twice, or `|&`.
    private mutating func end(by scalar: Unicode.Scalar) {
      finish()
      skipsWord = false
      append(scalar)
      if let next = rest.first, next == scalar || (scalar == "|" && next == "&") {
        rest.removeFirst()
        append(next)
      }
      finish()
    }

    /// Whether what was read of a word is nothing, or a number: `2` of `2>&1`.
    private var isDescriptor: Bool {
      word?.unicodeScalars.allSatisfy { ("0"..."9").contains($0) } ?? true
    }

    /// What goes to a file, `2>&1`, `&> log`: no word of the command.
    private mutating func redirect() {
      if isDescriptor { word = nil }
      finish()
      rest = rest.drop { ">&|".unicodeScalars.contains($0) }.drop { $0 == " " || $0 == "\t" }
      skipsWord = true
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
      var text = word ?? ""
      text.unicodeScalars.append(scalar)
      word = text
    }

    /// A backslash keeps the next character as it is; before a line's end both vanish.
    private mutating func escaped() {
      if rest.starts(with: ["\r", "\n"]) { rest.removeFirst() }
      guard let next = rest.popFirst() else { return append("\\") }
      if next != "\n" { append(next) }
    }

    private mutating func quoted(by quote: Unicode.Scalar) throws(LaunchError) {
      word = word ?? ""
      while let scalar = rest.popFirst() {
        if scalar == quote { return }
        let isEscape = scalar == "\\" && quote == "\""
        guard isEscape, let next = rest.first, "\"\\$`\n".unicodeScalars.contains(next) else {
          append(scalar)
          continue
        }
        rest.removeFirst()
        if next != "\n" { append(next) }
      }
      throw LaunchError(
        "the launch", expected: "a closing \(quote)", found: "the end",
        remedy: "close the quotation")
    }
  }
}

extension JSONNode {
  /// The integer, which lies in `range`; `3.0` counts as 3.
  ///
  /// - Throws: ``FormatError`` where this is no integer, or one out of `range`.
  package func integer(
    in range: ClosedRange<Int> = Int.min...Int.max
  ) throws(FormatError) -> Int {
    if let integer = exactInteger, range.contains(integer) { return integer }
    throw malformed(expected: Self.words(for: range))
  }

  /// The integer, at least 1.
  ///
  /// - Throws: ``FormatError`` where this is no integer, less than 1 or greater than `limit`.
  package func positiveInteger(upTo limit: Int = .max) throws(FormatError) -> Int {
    try integer(in: 1...limit)
  }

  /// The integer, at least 0.
  ///
  /// - Throws: ``FormatError`` where this is no integer, negative or greater than `limit`.
  package func nonNegativeInteger(upTo limit: Int = .max) throws(FormatError) -> Int {
    try integer(in: 0...limit)
  }

  /// The number, which is finite.
  ///
  /// - Throws: ``FormatError`` where this is no number.
  package func number() throws(FormatError) -> Double {
    try number(expected: "a number") { _ in true }
  }

  /// The number, greater than 0.
  ///
  /// - Throws: ``FormatError`` where this is no number or not greater than 0.
  package func positiveNumber() throws(FormatError) -> Double {
    try number(expected: "a number greater than 0") { $0 > 0 }
  }

  /// The number, at least 0.
  ///
  /// - Throws: ``FormatError`` where this is no number or negative.
  package func nonNegativeNumber() throws(FormatError) -> Double {
    try number(expected: "a number that is not negative") { $0 >= 0 }
  }

  /// The number, which lies in `range`.
  ///
  /// - Throws: ``FormatError`` where this is no number or out of `range`.
  package func number(in range: ClosedRange<Double>) throws(FormatError) -> Double {
    try number(expected: "a number from \(range.lowerBound) to \(range.upperBound)") {
      range.contains($0)
    }
  }

  private func number(
    expected: String, where isRight: (Double) -> Bool
  ) throws(FormatError) -> Double {
    switch value {
    case .number(let number) where isRight(number): return number
    case .integer(let integer) where isRight(Double(integer)): return Double(integer)
    case .object, .array, .string, .integer, .number, .bool, .null:
      throw malformed(expected: expected)
    }
  }

  private var exactInteger: Int? {
    switch value {
    case .integer(let integer): integer
    case .number(let number): Int(exactly: number)
    case .object, .array, .string, .bool, .null: nil
    }
  }

  private static func words(for range: ClosedRange<Int>) -> String {
    switch (range.lowerBound, range.upperBound) {
    case (.min, .max): "an integer"
    case (let low, .max): "an integer of at least \(low)"
    case (.min, let high): "an integer of at most \(high)"
    case (let low, let high): "an integer from \(low) to \(high)"
    }
  }
}

import PlanIR
import Testing

/// Searches by halving, against a look at every number.
@Suite struct HalvingTests {
  @Test func `the first number that meets a condition is found from any guess`() {
    for last in 0...24 {
      let range = 3..<3 + last
      for first in 0...32 {
        var asked: [Int] = []
        func meets(_ number: Int) -> Bool {
          asked.append(number)
          return number >= first
        }
        let expected = range.first { $0 >= first } ?? range.upperBound
        #expect(range.first(toMeet: meets) == expected)
        for guess in -2...40 {
          asked = []
          #expect(range.first(near: guess, toMeet: meets) == expected, "from \(guess)")
          #expect(asked.allSatisfy(range.contains), "\(guess) asks beyond \(range)")
          if guess == expected { #expect(asked.count <= 2, "a good guess takes two looks") }
        }
      }
    }
  }
}

extension Range<Int> {
  /// The first number that meets a condition which all after it meet, found by halving; the upper bound where none
  /// does.
  @inlinable
  public func first(toMeet condition: (Int) -> Bool) -> Int {
    var (low, high) = (lowerBound, upperBound)
    while low < high {
      let middle = (low + high) / 2
      if condition(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The same, found at once where `guess` is near: steps from there are doubled until they go past it.
  @inlinable
  public func first(near guess: Int, toMeet condition: (Int) -> Bool) -> Int {
    guard lowerBound < upperBound else { return lowerBound }
    let guess = Swift.min(Swift.max(guess, lowerBound), upperBound - 1)
    var step = 1
    if condition(guess) {
      var (low, high) = (guess, guess)
      while low > lowerBound {
        low = Swift.max(lowerBound, high - step)
        guard condition(low) else { return (low + 1..<high).first(toMeet: condition) }
        (high, step) = (low, 2 * step)
      }
      return high
    }
    var (low, high) = (guess, guess)
    while high < upperBound {
      high = Swift.min(upperBound, low + step)
      guard high < upperBound && !condition(high) else {
        return (low + 1..<high).first(toMeet: condition)
      }
      (low, step) = (high, 2 * step)
    }
    return upperBound
  }
}

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
}

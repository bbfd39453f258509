#if canImport(Glibc)
  import Glibc
#endif

/// One device's memory: a range of addresses cut first-fit from below, so that the pages touched stay
/// near the ledger's peak and are not given back and faulted in anew at every allocation.
///
/// Used by its device's thread alone.
final class Arena {
  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  /// Free ranges in order of address, none empty, no two touching.
  private var free: [Range<Int>]

  /// Reserves addresses for `capacity` bytes; pages come when they are touched.
  init(capacity: Int) throws(RunError) {
    let rounded = Self.rounded(capacity)
    let address = mmap(
      nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let address, address != MAP_FAILED else {
      throw RunError.outOfMemory(bytes: rounded)
    }
    base = address
    self.capacity = rounded
    free = [0..<rounded]
  }

  deinit { munmap(base, capacity) }

  /// Vectors' alignment; every range is a multiple of it.
  private static let alignment = 64

  private static func rounded(_ bytes: Int) -> Int {
    max(alignment, (bytes + alignment - 1) / alignment * alignment)
  }

  /// The lowest free range of `bytes`, not cleared.
  func allocate(_ bytes: Int) throws(RunError) -> UnsafeMutableRawPointer {
    let size = Self.rounded(bytes)
    guard let place = free.firstIndex(where: { $0.count >= size }) else {
      throw RunError.outOfMemory(bytes: bytes)
    }
    let start = free[place].lowerBound
    if free[place].count == size {
      free.remove(at: place)
    } else {
      free[place] = start + size..<free[place].upperBound
    }
    return base + start
  }

  /// Gives back what ``allocate(_:)`` returned for `bytes`.
  func release(_ address: UnsafeMutableRawPointer, _ bytes: Int) {
    let start = address - base
    var range = start..<start + Self.rounded(bytes)
    var place = free.firstIndex { $0.lowerBound > start } ?? free.count
    if place < free.count, free[place].lowerBound == range.upperBound {
      range = range.lowerBound..<free.remove(at: place).upperBound
    }
    if place > 0, free[place - 1].upperBound == range.lowerBound {
      place -= 1
      range = free.remove(at: place).lowerBound..<range.upperBound
    }
    free.insert(range, at: place)
  }
}

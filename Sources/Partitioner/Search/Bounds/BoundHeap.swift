/// Items waiting, the least bound first; of equal bounds the one that came first.
struct BoundHeap<Item> {
  private var items: [Item?] = []
  /// Places of items that have left.
  private var free: [Int] = []
  private var arrivals = 0
  private var entries: [Entry] = []

  private struct Entry {
    let bound, arrival: Int
    let place: Int

    static func < (left: Entry, right: Entry) -> Bool {
      (left.bound, left.arrival) < (right.bound, right.arrival)
    }
  }

  init() {}

  /// How many wait.
  var count: Int { entries.count }

  mutating func push(_ item: Item, bound: Int) {
    let slot = free.popLast() ?? items.count
    if slot == items.count { items.append(item) } else { items[slot] = item }
    entries.append(Entry(bound: bound, arrival: arrivals, place: slot))
    arrivals += 1
    var place = entries.count - 1
    while place > 0 {
      let parent = (place - 1) / 2
      guard entries[place] < entries[parent] else { return }
      entries.swapAt(place, parent)
      place = parent
    }
  }

  mutating func pop() -> (item: Item, bound: Int)? {
    guard let first = entries.first, let last = entries.popLast() else { return nil }
    if !entries.isEmpty {
      entries[0] = last
      sink()
    }
    guard let item = items[first.place] else { return nil }
    items[first.place] = nil
    free.append(first.place)
    return (item, first.bound)
  }

  private mutating func sink() {
    var place = 0
    while true {
      let left = 2 * place + 1
      guard left < entries.count else { return }
      let right = left + 1
      let child = right < entries.count && entries[right] < entries[left] ? right : left
      guard entries[child] < entries[place] else { return }
      entries.swapAt(place, child)
      place = child
    }
  }
}

import Dispatch
import Synchronization

/// Where the devices of one group meet. Every member takes part in the group's collectives in one
/// order; it waits, parked, only for members whose data it reads or who read its own, so that those
/// who have what they need run ahead.
///
/// Unchecked: a slot is written by its member under the lock before it tells of it, and read only by
/// members who waited for that; it is written again only after they told that they are finished.
final class Rendezvous: @unchecked Sendable {
  let size: Int
  private let state: Mutex<State>
  /// Read without the lock: who was woken need not take it again.
  private let isStopped = Atomic(false)
  /// Where a member is parked; signalled once for each time that it waits.
  private let parked: [DispatchSemaphore]
  private let slots: UnsafeMutableBufferPointer<Post>

  /// What a device contributes to a collective.
  struct Post {
    var from: UnsafeMutableRawPointer
    var into: UnsafeMutableRawPointer
  }

  /// What members tell each other of.
  enum Event {
    /// What others read is ready.
    case posted
    /// All that this member reads of others has been read.
    case finished
  }

  /// Whom a member waits for.
  enum Members {
    case none, one(Int), all
  }

  private struct State {
    /// How often each member has told of either event.
    var posted, finished: [Int]
    var waiting: [Wait?]

    /// Counts `event` of `member`; returns how often it has told of it.
    mutating func advance(_ event: Event, of member: Int) -> Int {
      switch event {
      case .posted:
        posted[member] += 1
        return posted[member]
      case .finished:
        finished[member] += 1
        return finished[member]
      }
    }

    /// The members whose wait `event` ended, which wait no longer.
    mutating func reached(by event: Event) -> [Int] {
      var reached: [Int] = []
      for (member, wait) in waiting.enumerated() {
        guard let wait, wait.event == event, isReached(wait) else { continue }
        waiting[member] = nil
        reached.append(member)
      }
      return reached
    }

    func isReached(_ wait: Wait) -> Bool {
      let counts = wait.event == .posted ? posted : finished
      switch wait.members {
      case .none: return true
      case .one(let member): return counts[member] >= wait.count
      case .all: return counts.allSatisfy { $0 >= wait.count }
      }
    }
  }

  private struct Wait {
    var event: Event
    var members: Members
    var count: Int
  }

  init(size: Int) {
    self.size = size
    let none = Array(repeating: 0, count: size)
    state = Mutex(
      State(posted: none, finished: none, waiting: Array(repeating: nil, count: size)))
    parked = (0..<size).map { _ in DispatchSemaphore(value: 0) }
    slots = .allocate(capacity: size)
  }

  deinit { slots.deallocate() }

  /// What `member` posted; to be read after waiting for it, before telling that one is finished.
  func post(of member: Int) -> Post { slots[member] }

  /// What all members posted.
  var posts: [Post] { Array(slots) }

  /// Posts buffers as member `index` and waits until `members` have posted theirs.
  func post(_ post: Post, index: Int, awaiting members: Members) throws(RunError) {
    try tell(.posted, index: index, awaiting: members) { self.slots[index] = post }
  }

  /// Tells of `event` as member `index` and waits until `members` have told of it as often.
  func tell(
    _ event: Event, index: Int, awaiting members: Members, first: () -> Void = {}
  ) throws(RunError) {
    let (isReached, woken) = state.withLock { state -> (Bool, [Int]) in
      if isStopped.load(ordering: .relaxed) { return (true, []) }
      first()
      let count = state.advance(event, of: index)
      let woken = state.reached(by: event)
      let wait = Wait(event: event, members: members, count: count)
      if state.isReached(wait) { return (true, woken) }
      state.waiting[index] = wait
      return (false, woken)
    }
    signal(woken)
    if !isReached { parked[index].wait() }
    if isStopped.load(ordering: .relaxed) { throw RunError.stopped }
  }

  /// Wakes all that wait and fails all that come.
  func stop() {
    let woken = state.withLock { state in
      isStopped.store(true, ordering: .relaxed)
      let waiting = state.waiting.indices.filter { state.waiting[$0] != nil }
      for member in waiting { state.waiting[member] = nil }
      return waiting
    }
    signal(woken)
  }

  /// Wakes `members`, the lock given back: who wakes up would take the processor of who holds it.
  private func signal(_ members: [Int]) {
    for member in members { parked[member].signal() }
  }
}

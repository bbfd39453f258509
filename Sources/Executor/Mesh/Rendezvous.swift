import Foundation

/// Where the devices of one group meet: each posts its buffers, all wait for all, parked.
///
/// Unchecked: every access to the mutable state holds the condition's lock, except that posted
/// buffers are read between two meetings, when no device of the group changes them.
final class Rendezvous: @unchecked Sendable {
  let size: Int
  private let condition = NSCondition()
  private var arrived = 0
  private var generation = 0
  private var isStopped = false
  private(set) var posts: [Post?]

  /// What a device contributes to a collective.
  struct Post {
    var from: UnsafeMutableRawPointer
    var into: UnsafeMutableRawPointer
  }

  init(size: Int) {
    self.size = size
    posts = Array(repeating: nil, count: size)
  }

  /// Posts buffers as member `index` and waits until every member has.
  func post(_ post: Post, index: Int) throws(RunError) {
    try meet { self.posts[index] = post }
  }

  /// Waits until every member has come.
  func meet(_ first: () -> Void = {}) throws(RunError) {
    condition.lock()
    defer { condition.unlock() }
    if isStopped { throw RunError.stopped }
    first()
    arrived += 1
    if arrived == size {
      arrived = 0
      generation += 1
      condition.broadcast()
      return
    }
    let mine = generation
    while mine == generation && !isStopped { condition.wait() }
    if mine == generation { throw RunError.stopped }
  }

  /// Wakes all that wait and fails all that come.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }
}

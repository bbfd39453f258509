import Dispatch
import PlanIR
import Synchronization

/// What one device sends another of another stage: messages that are posted, taken and settled.
///
/// Unchecked: what is posted is read by the receiver between taking and confirming it, when the sender
/// leaves it alone.
final class Mailbox: @unchecked Sendable {
  /// Names a message: what it is, the place in the chain that takes it, and the micro-batch.
  struct Key: Hashable {
    let slot: Slot
    let taker: Int
    let microBatch: Int
  }

  private struct State {
    var posted: [Key: Sent] = [:]
    var received: Set<Key> = []
    /// What receiver and sender wait for.
    var awaited: (posted: Key?, received: Key?) = (nil, nil)
  }

  private let state = Mutex(State())
  private let isStopped = Atomic(false)
  private let arrival = DispatchSemaphore(value: 0)
  private let receipt = DispatchSemaphore(value: 0)

  /// Posts a buffer, which the sender leaves alone until ``settle(_:)``.
  func post(_ buffer: UnsafeMutableRawPointer, _ key: Key) {
    let sent = Sent(pointer: buffer)
    state.withLock { state in
      state.posted[key] = sent
      guard state.awaited.posted == key else { return }
      state.awaited.posted = nil
      arrival.signal()
    }
  }

  /// Waits for a message and copies it with `copy`.
  func receive(
    _ key: Key, _ copy: (UnsafeMutableRawPointer) -> Void
  ) throws(RunError) {
    var buffer = try take(key)
    if buffer == nil {
      arrival.wait()
      buffer = try take(key)
    }
    guard let buffer else { throw RunError.malformedProgram("a message was taken twice") }
    copy(buffer)
    state.withLock { state in
      state.received.insert(key)
      guard state.awaited.received == key else { return }
      state.awaited.received = nil
      receipt.signal()
    }
  }

  private func take(_ key: Key) throws(RunError) -> UnsafeMutableRawPointer? {
    let buffer = state.withLock { state in
      let found = state.posted.removeValue(forKey: key)
      if found == nil { state.awaited.posted = key }
      return found
    }
    if isStopped.load(ordering: .relaxed) { throw RunError.stopped }
    return buffer?.pointer
  }

  /// Waits until the receiver has copied the message.
  func settle(_ key: Key) throws(RunError) {
    if isStopped.load(ordering: .relaxed) { throw RunError.stopped }
    let isReceived = state.withLock { state in
      if state.received.remove(key) != nil { return true }
      state.awaited.received = key
      return false
    }
    if isReceived { return }
    receipt.wait()
    if isStopped.load(ordering: .relaxed) { throw RunError.stopped }
    _ = state.withLock { $0.received.remove(key) }
  }

  /// Wakes who waits, and fails all that come.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    state.withLock { state in
      if state.awaited.posted != nil { arrival.signal() }
      if state.awaited.received != nil { receipt.signal() }
      state.awaited = (nil, nil)
    }
  }

  /// Where a message lies.
  private struct Sent: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
  }
}

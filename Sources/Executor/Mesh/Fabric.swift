import PlanIR

/// Joins the devices of a mesh: the only code that touches another device's memory. It counts every
/// byte that it moves between devices, at planned widths, knowing nothing of predictions.
///
/// Sound to share: its tables are built before any device starts and only read afterwards; a
/// device's counters are touched by that device alone until all have ended.
final class Fabric: @unchecked Sendable {
  let mesh: Mesh
  private let groups: [[AxisReference]: [Membership]]
  /// Of each axes list along which the first and the last meet, their groups, by device.
  private let ends: [[AxisReference]: [Membership?]]
  private let all: [Rendezvous]
  /// What each device sends to the stage after its own and to the one before, by sender and receiver.
  private let mailboxes: [Pair: Mailbox]
  private var counters: [[CounterKey: Int]]

  /// A device's place in a group.
  struct Membership {
    let rendezvous: Rendezvous
    let index: Int
  }

  private struct Pair: Hashable {
    let sender, receiver: Int
  }

  /// What traffic is counted under.
  struct CounterKey: Hashable {
    let axes: [AxisReference]
    let collective: String
  }

  /// A fabric for all groups over which a program communicates.
  init(mesh: Mesh, over axesLists: Set<[AxisReference]>) {
    self.mesh = mesh
    var groups: [[AxisReference]: [Membership]] = [:]
    var all: [Rendezvous] = []
    for axes in axesLists {
      var memberships: [Int: Membership] = [:]
      for device in 0..<mesh.deviceCount where memberships[device] == nil {
        let members = mesh.group(of: device, over: axes)
        let rendezvous = Rendezvous(size: members.count)
        all.append(rendezvous)
        for (index, member) in members.enumerated() {
          memberships[member] = Membership(rendezvous: rendezvous, index: index)
        }
      }
      groups[axes] = (0..<mesh.deviceCount).compactMap { memberships[$0] }
    }
    self.groups = groups
    var meetings: [[AxisReference]: [Membership?]] = [:]
    for axes in axesLists {
      meetings[axes] = Self.ends(groups[axes, default: []], mesh, axes, &all)
    }
    ends = meetings
    self.all = all
    mailboxes = Self.mailboxes(mesh)
    counters = Array(repeating: [:], count: mesh.deviceCount)
  }

  func membership(of device: Int, over axes: [AxisReference]) throws(RunError) -> Membership {
    guard let memberships = groups[axes] else {
      throw RunError.malformedProgram("no group over \(mesh.name(of: axes))")
    }
    return memberships[device]
  }

  /// Groups of the first and the last of each group over `axes`.
  private static func ends(
    _ members: [Membership], _ mesh: Mesh, _ axes: [AxisReference], _ all: inout [Rendezvous]
  ) -> [Membership?] {
    var result = [Membership?](repeating: nil, count: members.count)
    for (device, member) in members.enumerated() where member.index == 0 {
      guard let last = mesh.group(of: device, over: axes).last, last != device else { continue }
      let meeting = Rendezvous(size: 2)
      all.append(meeting)
      result[device] = Membership(rendezvous: meeting, index: 0)
      result[last] = Membership(rendezvous: meeting, index: 1)
    }
    return result
  }

  private static func mailboxes(_ mesh: Mesh) -> [Pair: Mailbox] {
    var result: [Pair: Mailbox] = [:]
    guard let axis = mesh.pipeline else { return result }
    for sender in 0..<mesh.deviceCount {
      for shift in [1, -1] {
        let message = Message(.stream, along: axis, shift: shift)
        let pair = Pair(sender: sender, receiver: message.receiver(from: sender, in: mesh))
        if result[pair] == nil { result[pair] = Mailbox() }
      }
    }
    return result
  }

  /// A device's place in the meeting of the first and the last along `axes`.
  func meeting(of device: Int, over axes: [AxisReference]) throws(RunError) -> Membership {
    guard let member = ends[axes]?[device] else {
      throw RunError.malformedProgram("device \(device) is no end of \(mesh.name(of: axes))")
    }
    return member
  }

  /// The way from one device to another of a neighbouring stage.
  func mailbox(from sender: Int, to receiver: Int) throws(RunError) -> Mailbox {
    guard let mailbox = mailboxes[Pair(sender: sender, receiver: receiver)] else {
      throw RunError.malformedProgram("device \(receiver) is no neighbour of \(sender)")
    }
    return mailbox
  }

  /// Counts `bytes` received by `device` from others.
  func count(
    _ bytes: Int, _ collective: String, over axes: [AxisReference], device: Int
  ) {
    count(bytes, CounterKey(axes: axes.joined, collective: collective), device: device)
  }

  func count(_ bytes: Int, _ key: CounterKey, device: Int) {
    counters[device][key, default: 0] += bytes
  }

  /// Fails every device that waits or will wait.
  func stop() {
    for rendezvous in all { rendezvous.stop() }
    for mailbox in mailboxes.values { mailbox.stop() }
  }

  /// Bytes moved so far between all devices; to be asked when none runs.
  var totals: [CounterKey: Int] {
    counters.reduce(into: [:]) { sum, device in
      sum.merge(device) { $0 + $1 }
    }
  }
}

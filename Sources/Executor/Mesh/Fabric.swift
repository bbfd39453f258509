import PlanIR

/// Joins the devices of a mesh: the only code that touches another device's memory. It counts every
/// byte that it moves between devices, at planned widths, knowing nothing of predictions.
///
/// Sound to share: its tables are built before any device starts and only read afterwards; a
/// device's counters are touched by that device alone until all have ended.
final class Fabric: @unchecked Sendable {
  let mesh: Mesh
  private let groups: [[AxisReference]: [Membership]]
  private let all: [Rendezvous]
  private var counters: [[CounterKey: Int]]

  /// A device's place in a group.
  struct Membership {
    let rendezvous: Rendezvous
    let index: Int
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
    self.all = all
    counters = Array(repeating: [:], count: mesh.deviceCount)
  }

  func membership(of device: Int, over axes: [AxisReference]) throws(RunError) -> Membership {
    guard let memberships = groups[axes] else {
      throw RunError.malformedProgram("no group over \(mesh.name(of: axes))")
    }
    return memberships[device]
  }

  /// Counts `bytes` received by `device` from others.
  func count(
    _ bytes: Int, _ collective: Collective, over axes: [AxisReference], device: Int
  ) {
    let key = CounterKey(axes: axes.sorted(), collective: collective.name)
    counters[device][key, default: 0] += bytes
  }

  /// Fails every device that waits or will wait.
  func stop() { for rendezvous in all { rendezvous.stop() } }

  /// Bytes moved so far between all devices; to be asked when none runs.
  var totals: [CounterKey: Int] {
    counters.reduce(into: [:]) { sum, device in
      sum.merge(device) { $0 + $1 }
    }
  }
}

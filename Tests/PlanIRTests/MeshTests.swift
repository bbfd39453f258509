import PlanIR
import Testing

@Suite struct MeshTests {
  private let mesh = Mesh([MeshAxis("data", 3), MeshAxis("tensor", 8), MeshAxis("unused", 1)])

  @Test func `axes of size one are left out and devices are numbered row-major`() {
    #expect(mesh.axes.count == 2)
    #expect(mesh.deviceCount == 24)
    #expect(mesh.coordinates(of: 17) == [2, 1])
  }

  @Test(arguments: 0..<24)
  func `groups over axes and sub-axes partition the mesh`(device: Int) throws {
    let data = try #require(mesh.axis("data"))
    let parts = try #require(mesh.axis("tensor")).split(majorSize: 2)
    for axes in [[data], parts.major, parts.minor, [data] + parts.minor, parts.major + [data]] {
      let members = mesh.group(of: device, over: axes)
      #expect(members.count == axes.groupSize)
      #expect(members[mesh.index(of: device, along: axes)] == device)
      for member in members { #expect(mesh.group(of: member, over: axes) == members) }
    }
  }

  @Test func `a sub-axis is written with what is major to it, neighbours as one`() throws {
    let tensor = try #require(mesh.axis("tensor"))
    let parts = tensor.split(majorSize: 2)
    #expect(mesh.name(of: parts.minor) == "tensor:(2)4")
    #expect(mesh.name(of: parts.minor + parts.major) == "tensor")
    #expect(mesh.name(of: parts.minor + mesh.whole("data")) == "data+tensor:(2)4")
  }

  @Test func `the major part of a split axis moves in larger strides`() throws {
    let parts = try #require(mesh.axis("tensor")).split(majorSize: 2)
    #expect(mesh.stride(of: parts.major[0]) == 4)
    #expect(mesh.stride(of: parts.minor[0]) == 1)
    #expect(mesh.group(of: 9, over: parts.major) == [9, 13])
  }

  @Test(arguments: [1, 2, 5, 8])
  func `collectives move the bytes of the bandwidth-optimal algorithms`(size: Int) {
    #expect(Collective.allGather(.hidden).groupBytes(size: size, bytes: 100) == 100 * (size - 1))
    #expect(Collective.allReduce(.sum).groupBytes(size: size, bytes: 100) == 200 * (size - 1))
  }
}

import Kernels
import PlanIR
import Synchronization

/// Assembles whole tensors out of devices' parts, unpadded, for comparison and dumps. Moves no
/// counted bytes: it stands outside the mesh.
final class Gatherer: Sendable {
  private let tensors = Mutex<[String: [Double]]>([:])

  /// Copies `device`'s part of a tensor to its place in the whole, cut to `sizes`; only one of the
  /// devices that hold copies does.
  func add(
    _ name: String, _ view: TensorView, type: TensorType, sizes: [Int], device: Int,
    program: Program
  ) {
    let mesh = program.mesh
    guard Self.isFirstCopy(type.sharding, device: device, mesh: mesh) else { return }
    let places = Places(of: type, on: device, program)
    let part = Part(local: type.localSizes, elements: type.chunk(on: device, in: mesh))
    write(name, view, part, sizes: sizes) { places[$0] }
  }

  /// As ``add(_:_:type:sizes:device:program:)`` with the first dimension's places given one by one.
  func addRows(
    _ name: String, _ view: TensorView, type: TensorType, sizes: [Int], rows: [Int], device: Int,
    program: Program
  ) {
    guard Self.isFirstCopy(type.sharding, device: device, mesh: program.mesh) else { return }
    let places = Places(of: type, on: device, program)
    let part = Part(local: type.localSizes, elements: 0..<view.count)
    write(name, view, part, sizes: sizes) { [rows[$0[0]]] + places[$0].dropFirst() }
  }

  /// Everything gathered.
  var all: [String: [Double]] { tensors.withLock { $0 } }

  private static func isFirstCopy(_ sharding: Sharding, device: Int, mesh: Mesh) -> Bool {
    let coordinate = (sharding.axes + sharding.chunks).reduce(0) { sum, axis in
      sum + mesh.coordinate(of: device, along: axis) * mesh.stride(of: axis)
    }
    // The first device with these coordinates has zero along every other axis but that of stages.
    return mesh.peer(of: device, on: 0) == coordinate
  }

  /// Where the elements of a device's part stand in the model's tensor.
  private struct Places {
    private let offsets: [Int]
    private let sequence: Int?
    private let positions: [Int]

    init(of type: TensorType, on device: Int, _ program: Program) {
      offsets = type.offsets(on: device, in: program.mesh)
      sequence = type.index(of: .sequence)
      positions = program.positions(of: type, on: device)
    }

    subscript(index: [Int]) -> [Int] {
      var place = zip(index, offsets).map { $0 + $1 }
      if let sequence { place[sequence] = positions[index[sequence]] }
      return place
    }
  }

  /// The elements that a device has of its flattened part of a tensor.
  private struct Part {
    var local: [Int]
    var elements: Range<Int>
  }

  private func write(
    _ name: String, _ view: TensorView, _ part: Part, sizes: [Int], place: ([Int]) -> [Int]
  ) {
    tensors.withLock { tensors in
      var whole = tensors.removeValue(forKey: name) ?? []
      if whole.isEmpty { whole = Array(repeating: 0, count: sizes.reduce(1, *)) }
      let run = max(part.local.last ?? 1, 1)
      var row = part.elements.lowerBound / run
      while row * run < part.elements.upperBound {
        let columns = (row * run..<(row + 1) * run).clamped(to: part.elements)
        let target = place(index(row, columns.lowerBound % run, part.local))
        let isInside = zip(target, sizes).dropLast().allSatisfy { $0 < $1 }
        if isInside {
          let base = zip(target, sizes).reduce(0) { $0 * $1.1 + $1.0 }
          let count = min(columns.count, (sizes.last ?? 1) - (target.last ?? 0))
          let start = columns.lowerBound - part.elements.lowerBound
          for step in 0..<max(count, 0) { whole[base + step] = view.element(start + step) }
        }
        row += 1
      }
      tensors[name] = whole
    }
  }

  /// The place in a part of `local` sizes of element `column` of row `row`, rows being runs of its
  /// last dimension.
  private func index(_ row: Int, _ column: Int, _ local: [Int]) -> [Int] {
    guard !local.isEmpty else { return [] }
    var index = [Int](repeating: 0, count: local.count)
    index[local.count - 1] = column
    var rest = row
    for dimension in local.indices.dropLast().reversed() {
      index[dimension] = rest % local[dimension]
      rest /= local[dimension]
    }
    return index
  }
}

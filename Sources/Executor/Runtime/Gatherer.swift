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
    _ name: String, _ view: TensorView, type: TensorType, sizes: [Int], device: Int, mesh: Mesh
  ) {
    guard Self.isFirstCopy(type.sharding, device: device, mesh: mesh) else { return }
    let offsets = type.offsets(on: device, in: mesh)
    write(name, view, local: type.localSizes, sizes: sizes) { index in
      zip(index, offsets).map { $0 + $1 }
    }
  }

  /// As ``add(_:_:type:sizes:device:mesh:)`` with the first dimension's places given one by one.
  func addRows(
    _ name: String, _ view: TensorView, type: TensorType, sizes: [Int], rows: [Int], device: Int,
    mesh: Mesh
  ) {
    guard Self.isFirstCopy(type.sharding, device: device, mesh: mesh) else { return }
    let offsets = type.offsets(on: device, in: mesh)
    write(name, view, local: type.localSizes, sizes: sizes) { index in
      [rows[index[0]]] + zip(index, offsets).dropFirst().map { $0 + $1 }
    }
  }

  /// Everything gathered.
  var all: [String: [Double]] { tensors.withLock { $0 } }

  private static func isFirstCopy(_ sharding: Sharding, device: Int, mesh: Mesh) -> Bool {
    let split = Set(sharding.axes)
    let coordinate = sharding.axes.reduce(0) { sum, axis in
      sum + mesh.coordinate(of: device, along: axis) * mesh.stride(of: axis)
    }
    // The first device with these coordinates has zero along every other axis.
    return split.isEmpty ? device == 0 : device == coordinate
  }

  private func write(
    _ name: String, _ view: TensorView, local: [Int], sizes: [Int],
    place: ([Int]) -> [Int]
  ) {
    tensors.withLock { tensors in
      var whole = tensors.removeValue(forKey: name) ?? []
      if whole.isEmpty { whole = Array(repeating: 0, count: sizes.reduce(1, *)) }
      var index = [Int](repeating: 0, count: local.count)
      let run = local.last ?? 1
      for start in stride(from: 0, to: view.count, by: max(run, 1)) {
        let target = place(index)
        let isInside = zip(target, sizes).dropLast().allSatisfy { $0 < $1 }
        if isInside {
          let base = zip(target, sizes).reduce(0) { $0 * $1.1 + $1.0 }
          let count = min(run, (sizes.last ?? 1) - (target.last ?? 0))
          for step in 0..<max(count, 0) { whole[base + step] = view.element(start + step) }
        }
        advance(&index, local)
      }
      tensors[name] = whole
    }
  }

  private func advance(_ index: inout [Int], _ local: [Int]) {
    for dimension in local.indices.dropLast().reversed() {
      index[dimension] += 1
      if index[dimension] < local[dimension] { return }
      index[dimension] = 0
    }
  }
}

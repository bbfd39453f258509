import Kernels
import PlanIR

extension CUDAKernelDraft {
  /// A copy of a window: a slice, a panel or a panel's place; nil of one that belongs to another device, or
  /// of more dimensions than the kernel has.
  func blockCopy() -> CUDALaunch? {
    let (source, target) = (reads[0], writes[0])
    switch call.kind {
    case .slice:
      if !target.sharding.chunks.isEmpty { return chunk(of: target) }
      let base = source.offsets(on: Self.device, in: program.mesh)
      let wanted = target.offsets(on: Self.device, in: program.mesh)
      let origin = BlockPlacement(
        shape: source.localSizes, offset: zip(wanted, base).map { $0 - $1 })
      return copy(origin, BlockPlacement(shape: target.localSizes), target.localSizes)
    case .panel(let panel):
      let place = placement(panel, in: source)
      return copy(place, BlockPlacement(shape: target.localSizes), target.localSizes)
    case .place(let panel, let owner, let axes):
      guard program.mesh.index(of: Self.device, along: axes) == owner else { return nil }
      let place = placement(panel, in: target)
      return copy(BlockPlacement(shape: source.localSizes), place, source.localSizes)
    default: return nil
    }
  }

  /// The elements of a flattened part that the device holds.
  private func chunk(of target: TensorType) -> CUDALaunch? {
    let chunk = target.chunk(on: Self.device, in: program.mesh)
    return copy(
      BlockPlacement(shape: [reads[0].localCount], offset: [chunk.lowerBound]),
      BlockPlacement(shape: [chunk.count]), [chunk.count])
  }

  /// Where a panel stands in a device's part of `whole`.
  private func placement(_ panel: Panel, in whole: TensorType) -> BlockPlacement {
    var offset = whole.localSizes.map { _ in 0 }
    if let index = whole.index(of: panel.dimension) {
      offset[index] = whole.localSizes[index] / panel.count * panel.index
    }
    return BlockPlacement(shape: whole.localSizes, offset: offset)
  }

  private func copy(
    _ from: BlockPlacement, _ to: BlockPlacement, _ extent: [Int]
  ) -> CUDALaunch? {
    guard let window = CUDAWindow(from, to, extent) else { return nil }
    return launch(
      .copyBlock, [readPlaces[0], writePlaces[0]],
      .elements(4 * window.lines * ((window.run + 3) / 4)), window.scalars)
  }
}

/// A window of two dense tensors of up to four dimensions, in the terms of ``CUDAKernelSource/copyBlock``.
private struct CUDAWindow {
  let run: Int
  private let outer, source, target: [Int]
  private let from, to: Int

  var lines: Int { outer.reduce(1, *) }

  var scalars: [CUDALaunch.Scalar] {
    ([lines, run, outer[1], outer[2]] + source + target + [from, to]).map { .integer($0) }
  }

  /// The window of `extent` at `from` in one tensor and at `to` in another. Dimensions that are whole in
  /// both are one run with those before them.
  init?(_ from: BlockPlacement, _ to: BlockPlacement, _ extent: [Int]) {
    let (reads, writes) = (Self.strides(from.shape), Self.strides(to.shape))
    self.from = zip(reads, from.offset).reduce(0) { $0 + $1.0 * $1.1 }
    self.to = zip(writes, to.offset).reduce(0) { $0 + $1.0 * $1.1 }
    var rank = max(extent.count - 1, 0)
    while rank > 0, extent[rank] == from.shape[rank], extent[rank] == to.shape[rank] { rank -= 1 }
    run = extent[rank...].reduce(1, *)
    guard rank <= Self.most else { return nil }
    let missing = [Int](repeating: 0, count: Self.most - rank)
    outer = missing.map { _ in 1 } + extent[..<rank]
    source = missing + reads[..<rank]
    target = missing + writes[..<rank]
  }

  private static let most = 3

  private static func strides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for index in strides.indices.dropLast().reversed() {
      strides[index] = strides[index + 1] * shape[index + 1]
    }
    return strides
  }
}

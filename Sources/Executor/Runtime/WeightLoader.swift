import Kernels
import PlanIR

/// Fills one device's part of a weight from its source; padding stays zero.
struct WeightLoader {
  let parameter: StoredParameter
  let layer: Int
  let device: Int
  let mesh: Mesh

  func load(_ source: any WeightSource, into view: TensorView) throws {
    let offsets = parameter.type.offsets(on: device, in: mesh)
    let local = parameter.type.localSizes
    let extents = zip(zip(offsets, local), parameter.unpaddedSizes).map { part, size in
      min(part.1, max(size - part.0, 0))
    }
    let region = ParameterRegion(
      parameter: parameter.parameter, sizes: parameter.unpaddedSizes, layer: layer,
      offsets: offsets, extents: extents)
    guard region.count > 0 else { return }
    let values = UnsafeMutableBufferPointer<Double>.allocate(capacity: region.count)
    defer { values.deallocate() }
    try source.read(region, into: values)
    scatter(values, extents, local, parameter.type.chunk(on: device, in: mesh), view)
  }

  /// Copies what `device` holds of a tensor as `target`, from what it holds as `source`: the same, or
  /// a chunk of it.
  static func copy(
    _ view: TensorView, as source: TensorType, into part: TensorView, as target: TensorType,
    on device: Int, in mesh: Mesh
  ) {
    let first = target.chunk(on: device, in: mesh).lowerBound
    let offset = first - source.chunk(on: device, in: mesh).lowerBound
    CopyKernels.copyBlock(
      from: view, at: BlockPlacement(shape: [view.count], offset: [offset]), into: part,
      at: BlockPlacement(shape: [part.count]), extent: [part.count])
  }

  /// Copies rows of the real elements to their places in the padded local part, as far as they are
  /// in the device's chunk of it.
  private func scatter(
    _ values: UnsafeMutableBufferPointer<Double>, _ extents: [Int], _ local: [Int],
    _ chunk: Range<Int>, _ view: TensorView
  ) {
    let run = extents.last ?? 1
    for start in stride(from: 0, to: values.count, by: run) {
      var rest = start / run
      var place = 0
      var stride = local.last ?? 1
      for dimension in extents.indices.dropLast().reversed() {
        place += rest % extents[dimension] * stride
        rest /= extents[dimension]
        stride *= local[dimension]
      }
      let held = (place..<place + run).clamped(to: chunk)
      guard !held.isEmpty else { continue }
      let first = start + held.lowerBound - place
      view.store(values[first..<first + held.count], at: held.lowerBound - chunk.lowerBound)
    }
  }
}

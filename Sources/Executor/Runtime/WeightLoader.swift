import Kernels
import PlanIR

/// Fills one device's part of a weight from its source; padding stays zero.
struct WeightLoader {
  let parameter: StoredParameter
  let layer: Int
  let device: Int
  let program: Program

  /// Reads the part: of a table of positions, each run of consecutive ones.
  func load(_ source: any WeightSource, into view: TensorView) throws {
    let type = parameter.type
    let offsets = type.offsets(on: device, in: program.mesh)
    let extents = zip(zip(offsets, type.localSizes), parameter.unpaddedSizes).map { part, size in
      min(part.1, max(size - part.0, 0))
    }
    guard let sequence = type.index(of: .sequence) else {
      return try load(source, offsets, extents, at: 0, into: view)
    }
    let rowSize = type.localSizes[(sequence + 1)...].reduce(1, *)
    for run in program.sequenceRuns(of: type, on: device) {
      var (offsets, extents) = (offsets, extents)
      (offsets[sequence], extents[sequence]) = (run.position, run.count)
      try load(source, offsets, extents, at: run.row * rowSize, into: view)
    }
  }

  /// Reads one block of the model's tensor to where it begins in the part, element `start`.
  private func load(
    _ source: any WeightSource, _ offsets: [Int], _ extents: [Int], at start: Int,
    into view: TensorView
  ) throws {
    let region = ParameterRegion(
      parameter: parameter.parameter, sizes: parameter.unpaddedSizes, layer: layer,
      offsets: offsets, extents: extents)
    guard region.count > 0 else { return }
    let values = UnsafeMutableBufferPointer<Double>.allocate(capacity: region.count)
    defer { values.deallocate() }
    try source.read(region, into: values)
    scatter(values, extents, at: start, view)
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

  /// Copies rows of the real elements to their places in the padded local part, in which the block
  /// begins at element `origin`, as far as they are
  /// in the device's chunk of it.
  private func scatter(
    _ values: UnsafeMutableBufferPointer<Double>, _ extents: [Int], at origin: Int,
    _ view: TensorView
  ) {
    let local = parameter.type.localSizes
    let chunk = parameter.type.chunk(on: device, in: program.mesh)
    let run = extents.last ?? 1
    for start in stride(from: 0, to: values.count, by: run) {
      var rest = start / run
      var place = origin
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

/// A block of one repetition of a parameter, in the parameter's own dimensions, without padding.
package struct ParameterRegion: Hashable, Sendable {
  package var parameter: Parameter
  /// Whole sizes, unpadded.
  package var sizes: [Int]
  package var layer: Int
  package var offsets: [Int]
  package var extents: [Int]

  package init(
    parameter: Parameter, sizes: [Int], layer: Int, offsets: [Int], extents: [Int]
  ) {
    self.parameter = parameter
    self.sizes = sizes
    self.layer = layer
    self.offsets = offsets
    self.extents = extents
  }

  /// The whole of the parameter.
  package init(parameter: Parameter, sizes: [Int], layer: Int) {
    self.init(
      parameter: parameter, sizes: sizes, layer: layer, offsets: sizes.map { _ in 0 },
      extents: sizes)
  }

  /// Elements of the block.
  package var count: Int { extents.reduce(1, *) }
}

/// Where initial weights come from: a checkpoint, or the seed.
package protocol WeightSource: Sendable {
  /// Writes the block `region`, row-major, into `output`, which holds exactly its elements.
  func read(_ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>) throws
}

/// Where the elements of a parameter stand in its checkpoint tensor.
///
/// Checkpoints flatten heads and head width into one dimension, and may hold several parameters as
/// parts of one tensor.
package struct CheckpointLayout: Hashable, Sendable {
  /// The tensor's shape.
  package let shape: [Int]
  private let extents: [Int]
  private let strides: [Int]
  private let origin: Int

  /// The layout of `parameter` with whole, unpadded `sizes`.
  package init(_ parameter: Parameter, sizes: [Int]) {
    var merged: [Int] = []
    var owner: [Int] = []
    for (index, dimension) in parameter.dimensions.enumerated() {
      let joins = dimension == .headWidth && index > 0
      if joins { merged[merged.count - 1] *= sizes[index] } else { merged.append(sizes[index]) }
      owner.append(merged.count - 1)
    }
    let part = parameter.checkpoint.part
    if let part { merged[part.axis] = part.total }
    let outer = merged.indices.map { merged[($0 + 1)...].reduce(1, *) }
    shape = merged
    extents = sizes
    origin = part.map { $0.offset * outer[$0.axis] } ?? 0
    strides = sizes.indices.map { index in
      let inner = sizes.indices.filter { $0 > index && owner[$0] == owner[index] }
      return inner.reduce(outer[owner[index]]) { $0 * sizes[$1] }
    }
  }

  /// Calls `body` with the flat checkpoint range and the place in the block of each contiguous run
  /// of `region`.
  package func forEachRun(
    of region: ParameterRegion, _ body: (_ elements: Range<Int>, _ place: Int) throws -> Void
  ) rethrows {
    guard let run = region.extents.last, region.count > 0 else {
      return try body(origin..<origin + 1, 0)
    }
    var index = [Int](repeating: 0, count: extents.count)
    var place = 0
    while place < region.count {
      let start = zip(index, zip(region.offsets, strides)).reduce(origin) {
        $0 + ($1.0 + $1.1.0) * $1.1.1
      }
      try body(start..<start + run, place)
      place += run
      var dimension = extents.count - 2
      while dimension >= 0 {
        index[dimension] += 1
        if index[dimension] < region.extents[dimension] { break }
        index[dimension] = 0
        dimension -= 1
      }
    }
  }
}

/// Weights drawn from a seed by checkpoint tensor and element, so that every sharding of a model
/// draws the same.
package struct RandomWeights: WeightSource {
  let seed: UInt64

  /// Weights of `seed`.
  package init(seed: UInt64) { self.seed = seed }

  package func read(
    _ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>
  ) throws {
    let parameter = region.parameter
    let tensor = parameter.checkpoint.tensorName(layer: region.layer)
    let generator = CounterGenerator(seed: seed, name: "weight/\(tensor)")
    let initial = parameter.initial
    CheckpointLayout(parameter, sizes: region.sizes).forEachRun(of: region) { elements, place in
      for (step, element) in elements.enumerated() {
        let draw = generator.normal(at: UInt64(element))
        output[place + step] = initial.mean + initial.deviation * draw
      }
    }
  }
}

/// Weights read from a checkpoint, with or without the family's name prefix.
package struct CheckpointWeights: WeightSource {
  let source: any TensorSource

  /// Weights of `source`.
  package init(_ source: any TensorSource) { self.source = source }

  /// Weights of `source`, which holds those of `model`.
  ///
  /// - Throws: ``WeightError`` where it holds others, too: it is another model's.
  package init(_ source: any TensorSource, of model: Model) throws(WeightError) {
    self.source = source
    let names = model.checkpointNames
    let known = names.union(Self.prefixes.flatMap { prefix in names.map { prefix + $0 } })
      .union(names.compactMap(Self.bare))
    let others = source.tensors.map(\.name).filter { !known.contains($0) && !Self.isIgnored($0) }
    guard let first = others.first else { return }
    let more = others.count > 1 ? ", and \(others.count - 1) more" : ""
    throw WeightError(
      tensor: first, expected: "tensors of \(model.name) alone", found: "one that it has not\(more)"
    )
  }

  private static let prefixes = ["transformer.", "model."]

  private static func bare(_ tensor: String) -> String? {
    prefixes.first { tensor.hasPrefix($0) }.map { String(tensor.dropFirst($0.count)) }
  }

  /// Masks and angles that hub files hold, and a head that is tied to the table.
  private static func isIgnored(_ tensor: String) -> Bool {
    let suffixes = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"]
    return tensor == "lm_head.weight" || suffixes.contains { tensor.hasSuffix($0) }
  }

  package func read(
    _ region: ParameterRegion, into output: UnsafeMutableBufferPointer<Double>
  ) throws {
    let tensor = region.parameter.checkpoint.tensorName(layer: region.layer)
    let layout = CheckpointLayout(region.parameter, sizes: region.sizes)
    let description = try find(tensor, layout.shape)
    try layout.forEachRun(of: region) { elements, place in
      try source.read(
        description.name, range: elements,
        into: UnsafeMutableBufferPointer(rebasing: output[place..<place + elements.count]))
    }
  }

  private func find(_ tensor: String, _ shape: [Int]) throws -> TensorDescription {
    let names = [tensor] + (Self.bare(tensor).map { [$0] } ?? Self.prefixes.map { $0 + tensor })
    guard let found = names.lazy.compactMap({ source.description(of: $0) }).first else {
      throw WeightError(
        tensor: tensor, expected: "a tensor of shape \(shape)", found: "none of that name")
    }
    guard found.shape == shape else {
      throw WeightError(tensor: found.name, expected: "shape \(shape)", found: "\(found.shape)")
    }
    return found
  }
}

/// A weight that a checkpoint lacks or has in another shape.
package struct WeightError: Error, Hashable, Sendable, CustomStringConvertible {
  package var tensor: String
  package var expected: String
  package var found: String

  package init(tensor: String, expected: String, found: String) {
    self.tensor = tensor
    self.expected = expected
    self.found = found
  }

  package var description: String {
    "weight `\(tensor)`: expected \(expected), found \(found); give a checkpoint of this model"
  }
}

/// A trained tensor of a block and where a checkpoint keeps it.
package struct Parameter: Hashable, Sendable {
  /// The name within its block, `query.weight`.
  package var name: String
  /// Major to minor, as the checkpoint stores it.
  package var dimensions: [Dimension]
  package var initial: InitialValue
  package var checkpoint: CheckpointSlice

  package init(
    name: String, dimensions: [Dimension], initial: InitialValue, checkpoint: CheckpointSlice
  ) {
    self.name = name
    self.dimensions = dimensions
    self.initial = initial
    self.checkpoint = checkpoint
  }
}

/// The distribution a parameter is drawn from where no weights are given.
package struct InitialValue: Hashable, Sendable {
  package var mean: Double
  package var deviation: Double

  package init(mean: Double = 0, deviation: Double) {
    self.mean = mean
    self.deviation = deviation
  }

  /// Gains are drawn around one, so that a mistake in them shows.
  package static let gain = InitialValue(mean: 1, deviation: 0.1)
  package static let bias = InitialValue(deviation: 0.05)
}

/// The place of a parameter in a checkpoint: a whole tensor, or the part of one dimension of it.
///
/// GPT-2 stores query, key and value as one `[hidden, 3 x hidden]` tensor; they are three parameters
/// here, for a contiguous split of the fused one would not split heads.
package struct CheckpointSlice: Hashable, Sendable {
  /// The tensor's name, `{layer}` standing for the layer's number.
  package var tensor: String
  /// The dimension of the checkpoint's tensor along which this is a part; nil for the whole.
  package var part: Part?

  /// Elements `offset..<offset + own size` of `total` along dimension `axis`, where offset and total
  /// count in the units of `axis`.
  package struct Part: Hashable, Sendable {
    package var axis: Int
    package var offset: Int
    package var total: Int

    package init(axis: Int, offset: Int, total: Int) {
      self.axis = axis
      self.offset = offset
      self.total = total
    }
  }

  package init(_ tensor: String, part: Part? = nil) {
    self.tensor = tensor
    self.part = part
  }

  /// The tensor's name in layer `layer`.
  package func tensorName(layer: Int) -> String {
    guard let range = tensor.firstRange(of: "{layer}") else { return tensor }
    return tensor.replacingCharacters(in: range, with: String(layer))
  }
}

extension String {
  fileprivate func firstRange(of text: String) -> Range<String.Index>? {
    self[...].ranges(of: text).first
  }

  fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
    self[..<range.lowerBound] + text + self[range.upperBound...]
  }
}

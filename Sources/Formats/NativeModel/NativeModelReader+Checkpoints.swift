import PlanIR

extension NativeModelReader {
  /// The parameters that share a tensor of the checkpoint must cut one dimension of it into parts
  /// that neither overlap nor leave gaps, or it could not be written back.
  func checkCheckpoints(of model: Model) throws(FormatError) {
    var owners: [String: [Piece]] = [:]
    for block in model.segments.flatMap(\.blocks) {
      for parameter in block.parameters {
        let node = node(block, ", parameter `\(parameter.name)`")
        let piece = try piece(parameter, node)
        owners[parameter.checkpoint.tensor, default: []].append(piece)
      }
    }
    for (tensor, pieces) in owners.sorted(by: { $0.key < $1.key }) {
      try check(pieces.sorted { $0.offset < $1.offset }, of: tensor)
    }
  }

  /// What a parameter takes of its tensor.
  private struct Piece {
    var node: JSONNode
    /// Nil for the whole.
    var axis: Int?
    var offset: Int
    var size: Int
    var total: Int
    /// The dimensions of the tensor but for `axis`.
    var others: [Int]
  }

  private func piece(_ parameter: Parameter, _ node: JSONNode) throws(FormatError) -> Piece {
    var shape = checkpointShape(of: parameter)
    guard let part = parameter.checkpoint.part else {
      return Piece(node: node, offset: 0, size: 1, total: 1, others: shape)
    }
    guard shape.indices.contains(part.axis), part.offset + shape[part.axis] <= part.total else {
      throw node.malformed(
        expected: "a part within the checkpoint's tensor, along one of its dimensions",
        found: "axis \(part.axis), offset \(part.offset) of \(part.total), own shape \(shape)",
        remedy: "heads and head_width are one dimension there")
    }
    let size = shape.remove(at: part.axis)
    return Piece(
      node: node, axis: part.axis, offset: part.offset, size: size, total: part.total,
      others: shape)
  }

  /// Sizes as the checkpoint stores them: heads and their width as one dimension.
  private func checkpointShape(of parameter: Parameter) -> [Int] {
    var shape: [Int] = []
    var previous: Dimension?
    for dimension in parameter.dimensions {
      if dimension == .headWidth, previous == .heads || previous == .keyValueHeads {
        shape[shape.count - 1] *= sizes[dimension]
      } else {
        shape.append(sizes[dimension])
      }
      previous = dimension
    }
    return shape
  }

  private func check(_ pieces: [Piece], of tensor: String) throws(FormatError) {
    var end = 0
    for piece in pieces {
      let first = pieces[0]
      let fits =
        piece.axis == first.axis && piece.total == first.total && piece.others == first.others
        && piece.offset == end
      if !fits {
        throw piece.node.malformed(
          expected: "parts of the tensor \(tensor.quoted()) side by side along one dimension",
          found: "offset \(piece.offset) after \(end)", remedy: "correct `checkpoint`")
      }
      end = piece.offset + piece.size
    }
    if let last = pieces.last, end != last.total {
      throw last.node.malformed(
        expected: "parts that fill the tensor \(tensor.quoted()), \(last.total) in all",
        found: "\(end)", remedy: "correct `checkpoint`")
    }
  }
}

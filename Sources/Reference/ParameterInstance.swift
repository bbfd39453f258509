/// One trained tensor of an unsharded model: a parameter of a block in one repetition of its segment.
///
/// A borrowed parameter has no instance of its own; it is its owner's.
package struct ParameterInstance: Hashable, Sendable, CustomStringConvertible {
  /// The block that owns it.
  package var block: String
  /// The parameter's name within the block.
  package var parameter: String
  /// The repetition of the block's segment, from 0; nil where the segment is there once.
  package var layer: Int?

  package init(block: String, parameter: String, layer: Int? = nil) {
    self.block = block
    self.parameter = parameter
    self.layer = layer
  }

  /// `block/parameter`, and `#layer` in a repeated segment.
  package var name: String {
    "\(block)/\(parameter)" + (layer.map { "#\($0)" } ?? "")
  }

  package var description: String { name }
}

package import PlanIR

/// Whole tensors as a checkpoint names and shapes them, put together from parameters: the form in
/// which runs are compared and dumped.
package struct CheckpointTensors: Sendable {
  /// A whole tensor.
  package struct Tensor: Sendable {
    package var shape: [Int]
    package var values: [Double]
  }

  package private(set) var tensors: [String: Tensor] = [:]

  /// No tensors.
  package init() {}

  /// The names, in order.
  package var names: [String] { tensors.keys.sorted() }

  /// Puts one repetition of a parameter in its place.
  package mutating func add(
    _ parameter: Parameter, sizes: [Int], layer: Int, values: [Double]
  ) {
    let layout = CheckpointLayout(parameter, sizes: sizes)
    let name = parameter.checkpoint.tensorName(layer: layer)
    var tensor =
      tensors.removeValue(forKey: name)
      ?? Tensor(
        shape: layout.shape, values: Array(repeating: 0, count: layout.shape.reduce(1, *)))
    let whole = ParameterRegion(parameter: parameter, sizes: sizes, layer: layer)
    layout.forEachRun(of: whole) { elements, place in
      tensor.values.replaceSubrange(elements, with: values[place..<place + elements.count])
    }
    tensors[name] = tensor
  }

  /// Adds a tensor that is no parameter.
  package mutating func add(_ name: String, shape: [Int], values: [Double]) {
    tensors[name] = Tensor(shape: shape, values: values)
  }
}

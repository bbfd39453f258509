internal import PlanIR

/// The parameter instances of a model in the order of its chain, with their values.
struct ParameterSet {
  let instances: [ParameterInstance]
  let dimensions: [[Dimension]]
  let shapes: [[Int]]
  /// Row-major in the parameter's own dimensions.
  var values: [[Double]]
  private let places: [ParameterInstance: Int]

  /// The parameters of `model` with `weights` as values; each must be there, in its size.
  init(
    of model: Model, weights: [ParameterInstance: [Double]]
  ) throws(ReferenceError) {
    let found = ReferenceModel.instances(of: model)
    instances = found.map(\.instance)
    dimensions = found.map(\.parameter.dimensions)
    shapes = found.map(\.shape)
    values = []
    var places: [ParameterInstance: Int] = [:]
    for (place, instance) in instances.enumerated() {
      guard places.updateValue(place, forKey: instance) == nil else {
        throw ReferenceError(
          place: "parameter \(instance)", expected: "blocks and parameters of different names",
          found: "the name twice")
      }
      values.append(try Self.value(of: instance, shapes[place], in: weights))
    }
    self.places = places
  }

  /// The place of `instance` among ``instances``.
  func place(of instance: ParameterInstance) -> Int? { places[instance] }

  /// `elements`, by place, as a dictionary by instance.
  func keyed(_ elements: [[Double]]) -> [ParameterInstance: [Double]] {
    Dictionary(uniqueKeysWithValues: zip(instances, elements))
  }

  private static func value(
    of instance: ParameterInstance, _ shape: [Int], in weights: [ParameterInstance: [Double]]
  ) throws(ReferenceError) -> [Double] {
    let value = weights[instance]
    guard let value, value.count == shape.reduce(1, *) else {
      throw ReferenceError(
        place: "parameter \(instance)", expected: "weights of shape \(shape)",
        found: value.map { "\($0.count) elements" } ?? "none")
    }
    return value
  }
}

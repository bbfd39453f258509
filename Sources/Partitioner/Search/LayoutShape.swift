import PlanIR

/// A layout with the degrees of its tensor mesh.
struct LayoutShape: Hashable {
  let layout: LayoutName
  let degrees: [Int]

  /// Devices of the tensor mesh.
  var devices: Int { degrees.reduce(1, *) }

  /// `4x2`, as `--mesh` takes it.
  var text: String { degrees.map(String.init).joined(separator: "x") }

  /// Every shape of `layout` with `devices` devices, square ones or not.
  static func all(_ layout: any Layout, devices: Int) -> [LayoutShape] {
    let rank = layout.axisNames.count
    return factorizations(of: devices, into: rank).map {
      LayoutShape(layout: layout.name, degrees: $0)
    }
  }

  private static func factorizations(of number: Int, into count: Int) -> [[Int]] {
    guard count > 0 else { return number == 1 ? [[]] : [] }
    guard count > 1 else { return [[number]] }
    return divisors(of: number).flatMap { first in
      factorizations(of: number / first, into: count - 1).map { [first] + $0 }
    }
  }

  /// Whether the shape is the same point as one of a layout named before it: a mesh of one, depth 1,
  /// a stationary mesh of one column, sequence rows of one.
  var coincides: Bool {
    switch layout {
    case .data, .mixed: false
    case .megatron, .summa, .sequence: devices == 1
    case .tesseract: degrees[2] == 1 || degrees[0] * degrees[1] == 1
    case .threeDimensional: degrees[1] * degrees[2] == 1
    case .stationary: degrees[0] == 1
    }
  }

  /// Replicas of the model on it, beside those of the data axis.
  var replicas: Int {
    guard let own = try? LayoutCatalog.layout(layout) else { return 1 }
    return zip(own.axisNames, degrees).reduce(1) {
      own.replicaAxes.contains($1.0) ? $0 * $1.1 : $0
    }
  }

  /// Whether it holds replicas alone, as the data axis does of another mesh. The same plan has other degrees, and
  /// micro-batches, than under data.
  var holdsCopies: Bool { replicas > 1 && replicas == devices }
}

/// The divisors of `number`, in ascending order.
func divisors(of number: Int) -> [Int] {
  guard number > 0 else { return [] }
  var small: [Int] = []
  var large: [Int] = []
  var candidate = 1
  while candidate * candidate <= number {
    if number % candidate == 0 {
      small.append(candidate)
      if candidate * candidate != number { large.append(number / candidate) }
    }
    candidate += 1
  }
  return small + large.reversed()
}

import PlanIR

/// Layers of the first and the last stage; those of the others differ by one at most, the larger ones last.
struct StageCut: Hashable {
  let first, last: Int

  /// The layers of each of `stages`, of `layers` in all.
  func layers(_ layers: Int, stages: Int) -> [Int] {
    guard stages > 1 else { return [layers] }
    let (inside, count) = (layers - first - last, stages - 2)
    let counts = (0..<count).map { stage in
      inside / count + (stage >= count - inside % count ? 1 : 0)
    }
    return [first] + counts + [last]
  }

  /// How many ways there are to cut `layers` into `stages`, each inside one at least.
  static func count(layers: Int, stages: Int) -> Int {
    guard stages > 2 else { return stages == 2 ? layers + 1 : 1 }
    let free = layers - (stages - 2)
    return free < 0 ? 0 : (free + 1) * (free + 2) / 2
  }

  /// The ways of which no stage has more than `most` layers.
  static func all(layers: Int, stages: Int, most: Int) -> [StageCut] {
    guard stages > 1 else { return layers <= most ? [StageCut(first: layers, last: 0)] : [] }
    let inside = stages - 2
    var found: [StageCut] = []
    for last in 0...min(most, layers) {
      let greatest = inside > 0 ? layers - last - inside : layers - last
      let least = inside > 0 ? max(0, layers - last - saturated(most, inside)) : layers - last
      guard least <= min(greatest, most) else { continue }
      for first in least...min(greatest, most) { found.append(StageCut(first: first, last: last)) }
    }
    return found
  }

  private static func saturated(_ left: Int, _ right: Int) -> Int {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? Int.max : product
  }
}

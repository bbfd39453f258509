import Foundation
package import PlanIR

/// Measured times, and what they say of sizes that were not measured: plain data, so that a search
/// depends on nothing else.
package struct TimingTable: Sendable {
  private var matmuls: [MatmulSize: Double] = [:]
  /// The same by transposition, to interpolate.
  private var products: [String: MeasuredTimes] = [:]
  private var kernels: [TimedKernel: MeasuredTimes] = [:]
  /// Those of collectives.
  private(set) var collectives = CollectiveTimes()

  /// What running a kernel or a collective takes of a core beside what it does, in seconds: measured apart, as times of
  /// kernels leave it out.
  private(set) var interpretation = 0.0

  /// How many times as long as one thread by itself threads take that share cores and meet, each having its share of
  /// them; nil where that was not measured.
  private(set) var sharing: Double?

  /// A product's identity.
  package struct MatmulSize: Hashable, Comparable, Sendable {
    package var m, n, k: Int
    package var transposition: String

    package init(m: Int, n: Int, k: Int, transposition: String) {
      (self.m, self.n, self.k, self.transposition) = (m, n, k, transposition)
    }

    package init(_ shape: MatmulShape) {
      (m, n, k, transposition) = (shape.m, shape.n, shape.k, shape.transposition)
    }

    package static func < (left: MatmulSize, right: MatmulSize) -> Bool {
      (left.m, left.n, left.k, left.transposition)
        < (right.m, right.n, right.k, right.transposition)
    }
  }

  /// Nothing measured.
  package init() {}

  /// Whether nothing is measured.
  package var isEmpty: Bool { matmuls.isEmpty && kernels.isEmpty && collectives.isEmpty }

  /// Notes that the product `size` takes `seconds` of a core, in place of what was noted before.
  package mutating func record(_ size: MatmulSize, seconds: Double) {
    matmuls[size] = seconds
    products[size.transposition, default: MeasuredTimes()].record(
      size.place, seconds: seconds, reference: size.reference, replaces: true)
  }

  /// Notes that the kernel `name`, no product, takes `seconds` of a core for `amount`; where several
  /// shapes amount to the same, their mean counts.
  package mutating func record(_ name: String, _ amount: KernelAmount, seconds: Double) {
    kernels[TimedKernel(name), default: MeasuredTimes()].record(
      amount.place, seconds: seconds, reference: ReferenceTimes.kernel(amount))
  }

  /// Notes that the collective `name` among `devices` threads on `elements` takes `seconds`, where each
  /// has a core; names that are no collective's are left out.
  package mutating func record(
    collective name: String, devices: Int, elements: Int, seconds: Double
  ) {
    guard let pattern = CollectiveUse.Pattern(rawValue: name) else { return }
    collectives.record(pattern, devices: devices, elements: elements, seconds: seconds)
  }

  /// Notes that running a kernel or a collective takes `seconds` of a core beside what it does.
  package mutating func record(interpretation seconds: Double) { interpretation = seconds }

  /// Notes that threads which share cores take `factor` times as long as one by itself; nothing is faster for that.
  package mutating func record(sharing factor: Double) { sharing = max(1, factor) }

  /// The measured time of a product of that size, or nil.
  package func seconds(of size: MatmulSize) -> Double? { matmuls[size] }

  /// Whether the kernel `name` was measured for `amount`.
  package func has(_ name: String, _ amount: KernelAmount) -> Bool {
    let found = kernels[TimedKernel(name)]?.figure(
      at: amount.place, reference: ReferenceTimes.kernel(amount))
    return found?.source == .measured
  }
}

extension TimingTable {
  /// The time of `work` as far as it was measured; nil where nothing of its kind was.
  func figure(of work: KernelWork) -> MeasuredFigure? {
    guard let shape = work.matmul else {
      guard !kernels.isEmpty, let kernel = work.kernel, let times = kernels[kernel] else {
        return nil
      }
      let amount = KernelAmount(elements: work.elements, flops: work.flops)
      return times.figure(at: amount.place, reference: ReferenceTimes.kernel(amount))
    }
    return figure(of: MatmulSize(shape))
  }

  /// Where the time of `work` comes from; nil where nothing of its kind was measured.
  func basis(of work: KernelWork) -> FigureBasis? {
    guard let figure = figure(of: work) else { return nil }
    if let shape = work.matmul {
      let size = MatmulSize(shape)
      return times(of: size)?.basis(of: figure, at: size.place)
    }
    let amount = KernelAmount(elements: work.elements, flops: work.flops)
    return work.kernel.flatMap { kernels[$0] }?.basis(of: figure, at: amount.place)
  }

  /// What was measured of the orientation of `size`, or of another.
  private func times(of size: MatmulSize) -> MeasuredTimes? {
    products[size.transposition] ?? products.min { $0.key < $1.key }?.value
  }

  /// The time of a product, of an orientation that was not measured told from another; nil where no
  /// product was.
  package func figure(of size: MatmulSize) -> MeasuredFigure? {
    guard !matmuls.isEmpty else { return nil }
    if let seconds = matmuls[size] { return MeasuredFigure(seconds: seconds, source: .measured) }
    var figure = times(of: size)?.figure(at: size.place, reference: size.reference)
    figure?.source = .interpolated
    return figure
  }
}

extension TimingTable.MatmulSize {
  var place: SIMD4<Double> { MeasuredTimes.place(m, n, k) }
  var reference: Double { ReferenceTimes.product(m, n, k) }
}

extension KernelAmount {
  var place: SIMD4<Double> { MeasuredTimes.place(elements, flops) }
}

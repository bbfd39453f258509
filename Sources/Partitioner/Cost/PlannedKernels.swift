package import PlanIR

/// A kernel call of a program with what it has to do: what a machine would have to measure to price it.
package struct PlannedKernel: Sendable {
  package let call: KernelCall
  package let body: BodyID
  package let amount: KernelAmount
  /// The product, of a call that is one.
  package let product: TimingTable.MatmulSize?
  /// Seconds it takes, roughly, on a core of a server; to tell what is quick to measure.
  package let roughSeconds: Double
}

extension Partitioner {
  /// The kernel calls of `program`, each work once, in the order of its bodies.
  package static func kernels(of program: Program) -> [PlannedKernel] {
    var known: Set<[Int]> = []
    var names: [TimedKernel?: Int] = [:]
    var kernels: [PlannedKernel] = []
    for (index, body) in program.bodies.enumerated() {
      for case .kernel(let call) in body.instructions {
        let work = KernelWork(call, in: body, precision: program.precision)
        let name = names[work.kernel] ?? names.count
        names[work.kernel] = name
        let sides = work.matmul.map { [$0.transposeA, $0.transposeB] } ?? []
        let shape = work.matmul.map { [$0.m, $0.n, $0.k] } ?? call.timedShape(in: body)
        guard known.insert([name] + sides.map { $0 ? 1 : 0 } + shape).inserted else { continue }
        kernels.append(PlannedKernel(call, index, work))
      }
    }
    return kernels
  }

  /// The collectives of `program`, each pattern and size of group once, sorted: by name as they are
  /// measured, which the ends of a pipeline and its messages share with others.
  package static func collectives(
    of program: Program
  ) -> [(pattern: String, devices: Int)] {
    var known: [String: Set<Int>] = [:]
    func add(_ pattern: CollectiveUse.Pattern, _ devices: Int) {
      guard devices > 1 else { return }
      let (own, devices) = CollectiveTimes.measured(pattern, devices)
      known[own.rawValue, default: []].insert(devices)
    }
    for body in program.bodies {
      for instruction in body.instructions {
        switch instruction {
        case .start(_, let collective, let axes, _, _):
          add(collective.pattern(in: body.phase), axes.groupSize)
        case .receive: add(.send, 2)
        case .allocate, .free, .kernel, .await, .send, .settle: break
        }
      }
    }
    return known.keys.sorted().flatMap { name in
      known[name, default: []].sorted().map { (name, $0) }
    }
  }
}

extension PlannedKernel {
  fileprivate init(_ call: KernelCall, _ body: BodyID, _ work: KernelWork) {
    (self.call, self.body) = (call, body)
    amount = KernelAmount(elements: work.elements, flops: work.flops)
    product = work.matmul.map { TimingTable.MatmulSize($0) }
    roughSeconds = product?.reference ?? ReferenceTimes.kernel(amount)
  }
}

extension TimingTable {
  /// Whether `kernel` was measured.
  package func has(_ kernel: PlannedKernel) -> Bool {
    if let product = kernel.product { return seconds(of: product) != nil }
    return has(kernel.call.timedName, kernel.amount)
  }

  /// Whether the collective `name` was measured among `devices`.
  package func has(collective name: String, devices: Int) -> Bool {
    guard let pattern = CollectiveUse.Pattern(rawValue: name) else { return true }
    return collectives.has(pattern, devices: devices)
  }
}

import Partitioner
import PlanIR
import TestSupport

extension TimingTable {
  /// Times drawn from `seed` for a `share` of what the best plans of `request` compute and send.
  static func drawn(_ request: SearchRequest, seed: UInt64, share: Double) throws -> TimingTable {
    let generator = CounterGenerator(seed: seed, name: "times")
    var (table, drawn) = (TimingTable(), UInt64(0))
    func draw() -> Double {
      drawn += 1
      return generator.uniform(at: drawn)
    }
    for plan in Search.run(request).plans {
      let program = try Partitioner.program(of: request.training, choices: plan.choices)
      for kernel in Partitioner.kernels(of: program) where draw() < share {
        let seconds = kernel.roughSeconds * (0.3 + draw())
        if let product = kernel.product {
          table.record(product, seconds: seconds)
        } else {
          table.record(kernel.call.timedName, kernel.amount, seconds: seconds)
        }
      }
      for (pattern, devices) in Partitioner.collectives(of: program) where draw() < share {
        for elements in [64, 1 << 16] {
          table.record(
            collective: pattern, devices: devices, elements: elements,
            seconds: 1e-5 * draw() + 1e-9 * Double(elements))
        }
      }
    }
    if draw() < share { table.record(interpretation: 1e-6 * draw()) }
    if draw() < share { table.record(sharing: 1 + draw()) }
    return table
  }
}

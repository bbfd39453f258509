import Calibration
import Executor
import PlanIR

/// Memory for a kernel's operands, of the same numbers whatever their types: eighths in [1/4, 3/4), which
/// every type holds, and ids.
final class HostOperands {
  let memory: [UnsafeMutableRawPointer]
  private let operands: [(dtype: DType, count: Int)]

  /// Operands of a kernel for a GPU, its tables too.
  convenience init(_ kernel: CUDAKernel) {
    self.init(
      kernel.operands.map { ($0.dtype, $0.count) }, vocabulary: kernel.vocabulary,
      tables: kernel.tables)
  }

  /// Operands of a kernel for a thread.
  convenience init(_ probe: KernelProbe) {
    self.init(
      probe.operands.map { ($0.dtype, $0.count) }, vocabulary: probe.vocabulary, tables: [:])
  }

  private init(
    _ operands: [(dtype: DType, count: Int)], vocabulary: Int, tables: [Int: [Float]]
  ) {
    self.operands = operands
    memory = operands.map { dtype, count in
      .allocate(byteCount: max(1, count * dtype.width), alignment: 64)
    }
    for (place, operand) in operands.enumerated() {
      let generator = CounterGenerator(seed: UInt64(place), name: "operands")
      let values = (0..<operand.count).map { index in
        Float(2 + Int(4 * generator.uniform(at: UInt64(index)))) / 8
      }
      fill(place, tables[place] ?? values, vocabulary)
    }
  }

  deinit { for pointer in memory { pointer.deallocate() } }

  private func fill(_ place: Int, _ values: [Float], _ vocabulary: Int) {
    switch operands[place].dtype {
    case .bfloat16: store(values.map { UInt16($0.bitPattern >> 16) }, place)
    case .float16: store(values.map { Float16($0) }, place)
    case .int64: store(values.indices.map { Int64($0 * 7919 % vocabulary) }, place)
    case .uint8: store(values.map { UInt8($0 * 2) }, place)
    case .float32, .float64: store(values, place)
    }
  }

  private func store<Element>(_ values: [Element], _ place: Int) {
    memory[place].withMemoryRebound(to: Element.self, capacity: values.count) { target in
      for (index, value) in values.enumerated() { (target + index).initialize(to: value) }
    }
  }

  /// What operand `place` holds.
  func values(_ place: Int) -> [Float] {
    let (dtype, count) = operands[place]
    return (0..<count).map { index in
      switch dtype {
      case .bfloat16: Float(bitPattern: UInt32(load(place, index) as UInt16) << 16)
      case .float16: Float(load(place, index) as Float16)
      case .int64: Float(load(place, index) as Int64)
      case .uint8: Float(load(place, index) as UInt8)
      case .float32, .float64: load(place, index)
      }
    }
  }

  private func load<Element>(_ place: Int, _ index: Int) -> Element {
    memory[place].load(fromByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
  }
}

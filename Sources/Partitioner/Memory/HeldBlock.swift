import PlanIR

/// An amount of memory, by class or in all.
protocol MemoryAmount {
  init(_ use: MemoryUse)
  /// Nothing.
  static var nothing: Self { get }
  /// Bytes of all classes.
  var bytes: Int { get }
  static func + (left: Self, right: Self) -> Self
  static func * (left: Self, right: Int) -> Self
}

extension MemoryUse: MemoryAmount {
  init(_ use: MemoryUse) { self = use }
  static var nothing: MemoryUse { MemoryUse() }
  var bytes: Int { program.count }
}

/// Bytes of all classes alone.
struct TotalBytes: MemoryAmount {
  var bytes: Int

  private init(bytes: Int) { self.bytes = bytes }
  init(_ use: MemoryUse) { bytes = use.program.count }
  static var nothing: TotalBytes { TotalBytes(bytes: 0) }
  static func + (left: TotalBytes, right: TotalBytes) -> TotalBytes {
    TotalBytes(bytes: left.bytes + right.bytes)
  }
  static func * (left: TotalBytes, right: Int) -> TotalBytes {
    TotalBytes(bytes: left.bytes * right)
  }
}

/// A block's or joint's bodies, as what they hold alone.
struct HeldBlock<Amount: MemoryAmount> {
  /// What one call holds at its fullest instant above what was held before, and afterwards.
  struct Held {
    var peak = Amount.nothing
    var change = Amount.nothing
  }

  let forms: ForwardForms<Held>
  let inputGradient, weightGradient, reduceGradients, optimize, settle: Held
  /// What one repetition's parameters take, with all their parts.
  let stored: Amount

  init(_ block: PricedBlock) {
    func held(_ body: BodySummary) -> Held {
      Held(peak: Amount(body.peak), change: Amount(body.change))
    }
    forms = block.forms.map(held)
    inputGradient = held(block.inputGradient)
    weightGradient = held(block.weightGradient)
    reduceGradients = held(block.reduceGradients)
    optimize = held(block.optimize)
    settle = held(block.settle)
    stored = Amount(block.stored)
  }

  var forward: Held { forms.whole }
}

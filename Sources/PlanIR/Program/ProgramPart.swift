/// What a device does in a step, for adding times up: a kernel, a collective, messages, or all between.
package enum ProgramPart: Hashable, Comparable, Sendable {
  case kernel(String)
  case collective(String)
  /// Between stages.
  case message
  /// What takes a device from one of these to the next: buffers are found, made and given back.
  case between

  /// The part that `instruction` is; nil of what is between others.
  package init?(_ instruction: Instruction) {
    switch instruction {
    case .kernel(let call): self = .kernel(call.timedName)
    case .start(_, let collective, _, _, _): self = .collective(collective.name)
    case .send, .receive, .settle: self = .message
    case .allocate, .free, .await: return nil
    }
  }

  /// Its name.
  package var name: String {
    switch self {
    case .kernel(let name), .collective(let name): name
    case .message: "send"
    case .between: "between instructions"
    }
  }
}

/// How often a part ran and how long it took, over all devices.
package struct PartTime: Hashable, Sendable {
  package var count = 0
  package var seconds = 0.0

  package init() {}

  /// Adds `count` runs that took `seconds`.
  package mutating func add(_ count: Int, _ seconds: Double) {
    self.count += count
    self.seconds += seconds
  }
}

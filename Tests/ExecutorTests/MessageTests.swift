import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Messages between stages that go wrong end the run with an error that says who waits.
@Suite struct MessageTests {
  enum Fault: CaseIterable { case notSent, notReceived, sentAstray, receivedAstray }

  private static var proof: ProofCase {
    var proof = ProofCase()
    (proof.pipeline, proof.schedule) = (3, .oneForwardOneBackward)
    (proof.microBatches, proof.workload.globalBatch) = (2, 4)
    (proof.tensor, proof.sample.layers, proof.isLlama) = (2, 3, true)
    proof.sample.keyValueHeads = 4
    return proof
  }

  @Test(arguments: Fault.allCases, [Slot.stream, .gradient])
  func `a message that goes wrong is named, not waited for`(fault: Fault, slot: Slot) throws {
    let error = #expect(throws: RunError.self) {
      try Self.proof.run(validates: false) { program in
        let isSpoilt = Self.spoil(&program, fault, slot)
        #expect(isSpoilt)
      }
    }
    guard case .deadlock(let waiting) = error else {
      Issue.record("\(fault): \(String(describing: error))")
      return
    }
    let names = waiting.joined(separator: " ")
    #expect(names.contains("receiving") || names.contains("sending"))
  }

  /// Spoils the first message of a kind; returns whether there was one.
  private static func spoil(_ program: inout Program, _ fault: Fault, _ slot: Slot) -> Bool {
    for body in program.bodies.indices {
      for place in program.bodies[body].instructions.indices {
        guard
          let changed = changed(program.bodies[body].instructions[place], fault, slot)
        else { continue }
        program.bodies[body].instructions.replaceSubrange(place...place, with: changed)
        return true
      }
    }
    return false
  }

  /// What an instruction becomes; nil where it is no message of the kind.
  private static func changed(
    _ instruction: Instruction, _ fault: Fault, _ slot: Slot
  ) -> [Instruction]? {
    func turned(_ message: Message) -> Message {
      Message(message.slot, along: message.axis, shift: -message.shift)
    }
    switch (instruction, fault) {
    case (.send(_, let message), .notSent) where message.slot == slot: return []
    case (.receive(_, let message), .notReceived) where message.slot == slot: return []
    case (.send(let buffer, let message), .sentAstray) where message.slot == slot:
      return [.send(buffer, turned(message))]
    case (.receive(let buffer, let message), .receivedAstray) where message.slot == slot:
      return [.receive(buffer, turned(message))]
    default: return nil
    }
  }

  @Test func `every message of a sound program is sent and received`() throws {
    let (_, program) = try Self.proof.plan()
    #expect(ProgramVerifier.faults(of: program).isEmpty)
    for fault in Fault.allCases {
      var broken = program
      let isSpoilt = Self.spoil(&broken, fault, .stream)
      let faults = ProgramVerifier.faults(of: broken)
      // Whence a message is received follows from where it is sent: the verifier reads only that.
      #expect(isSpoilt && faults.isEmpty == (fault == .receivedAstray), "\(fault): \(faults)")
    }
  }
}

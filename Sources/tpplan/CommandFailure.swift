import ArgumentParser
import Executor
import Formats
import Foundation
import Partitioner
import PlanIR
import Reference
import TimingStore

/// An answer of no, or an error, with the documented exit code.
struct CommandFailure: Error {
  var code: Int32
  var message: String

  /// The answer is no.
  static func no(_ message: String) -> CommandFailure { CommandFailure(code: 1, message: message) }

  /// A file whose content cannot be.
  static func badData(_ message: String) -> CommandFailure {
    CommandFailure(code: 65, message: message)
  }
}

extension ParsableCommand {
  /// Runs `body`; prints what it throws as one message on standard error and exits accordingly.
  func answering(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let exit as ExitCode {
      throw exit
    } catch let error as ValidationError {
      throw error
    } catch {
      let failure = describe(error)
      if !failure.message.isEmpty { StandardError.print("tpplan: \(failure.message)") }
      throw ExitCode(failure.code)
    }
  }

  private func describe(_ error: any Error) -> CommandFailure {
    switch error {
    case let failure as CommandFailure: failure
    case let error as FormatError: CommandFailure(code: error.exitCode, message: "\(error)")
    case let error as TimingStoreError: CommandFailure(code: error.exitCode, message: "\(error)")
    case let error as ConstraintViolation: .no("\(error)")
    case let error as WeightError: .badData("\(error)")
    case let error as ModelError: .badData("\(error)")
    case let error as ReferenceError: CommandFailure(code: 70, message: "\(error)")
    case let error as RunError: CommandFailure(code: error.exitCode, message: "\(error)")
    default: CommandFailure(code: 70, message: "unexpected: \(error)")
    }
  }
}

extension RunError {
  fileprivate var exitCode: Int32 {
    switch self {
    case .outOfMemory, .miscomputes: 1
    case .tokenOutOfRange: 65
    case .deviceFailed(_, let step, _): step == "loading weights" ? 65 : 70
    case .deadlock, .stopped, .malformedProgram: 70
    }
  }
}

/// Text for people that is not the answer.
enum StandardError {
  static func print(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }
}

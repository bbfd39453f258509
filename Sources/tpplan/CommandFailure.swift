import ArgumentParser
import Calibration
import Executor
import Formats
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
  ///
  /// With `json` what failed is printed on standard output, too: whoever reads JSON finds one
  /// document whatever the answer. Wrong usage has none.
  func answering(json: Bool = false, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let exit as ExitCode {
      throw exit
    } catch let error as ValidationError {
      throw error
    } catch {
      let failure = describe(error)
      StandardError.print("tpplan: \(failure.message)")
      if json && failure.code != 64 { try? StandardOutput.print(document(of: failure)) }
      throw ExitCode(failure.code)
    }
  }

  private func document(of failure: CommandFailure) -> JSONValue {
    let name = Self.configuration.commandName ?? "timings"
    return .object([
      JSONMember(key: "schema", value: .string("tpplan.\(name)/1")),
      JSONMember(
        key: "error",
        value: .object([
          JSONMember(key: "exit_code", value: .integer(Int(failure.code))),
          JSONMember(key: "message", value: .string(failure.message)),
        ])),
    ])
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
    case let error as CUDAError: CommandFailure(code: error.exitCode, message: "\(error)")
    case let error as CalibrationError: .no("\(error)")
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

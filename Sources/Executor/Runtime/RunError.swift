/// Why a run ended without a result.
package enum RunError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The machine has no room for a buffer.
  case outOfMemory(bytes: Int)
  /// Every device waits; the step each waits in.
  case deadlock(waiting: [String])
  /// A device failed, and with it the run.
  case deviceFailed(device: Int, step: String, reason: String)
  /// Another device failed: this one stopped.
  case stopped
  /// A token outside the vocabulary, at a place of the batch.
  case tokenOutOfRange(token: Int64, sequence: Int, position: Int, vocabulary: Int)
  /// A program that does not hold together: ours to mend.
  case malformedProgram(String)
  /// The matmul library computes wrongly on this processor.
  case miscomputes(String)

  package var description: String {
    switch self {
    case .outOfMemory(let bytes):
      "out of memory: \(bytes) bytes could not be allocated; try --shrink"
    case .deadlock(let waiting):
      "deadlock: every device waits\n" + waiting.joined(separator: "\n")
    case .deviceFailed(let device, let step, let reason):
      "device \(device) failed in \(step): \(reason)"
    case .stopped:
      "stopped because another device failed"
    case .tokenOutOfRange(let token, let sequence, let position, let vocabulary):
      "token id \(token) of sequence \(sequence), position \(position): "
        + "expected 0 to \(vocabulary - 1); use the model's own tokenizer"
    case .malformedProgram(let what):
      "the program is malformed: \(what)"
    case .miscomputes(let what):
      "self-check failed: \(what)"
    }
  }
}

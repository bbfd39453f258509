import Formats
import Partitioner
import PlanIR
import TimingStore

/// Answers of searches on this machine, kept beside its measured times. A cache that cannot be read or written
/// is none: the search goes on without.
struct PlanCache {
  private let timings: LocalTimings
  private let program: Digest

  /// Longer entries, of some two hundred plans, are not kept.
  private static let longestEntry = 128 << 10
  /// Seconds to wait for other writers.
  private static let patience = 0.5

  /// A cache for `request` in the database of `timings`; nil where its answer says more than an entry has, or
  /// nothing tells this program from others.
  init?(_ timings: LocalTimings, for request: SearchRequest) {
    guard !request.exhaustive, !request.certifies,
      let program = try? FileDigest.digest(of: "/proc/self/exe")
    else { return nil }
    (self.timings, self.program) = (timings, program)
  }

  /// The answer to a request with equal measured times, whose digest is `measured`, priced anew; nil where none
  /// is kept.
  func answer(to request: SearchRequest, measured: Digest) -> SearchAnswer? {
    let key = key(request, measured)
    guard let database = try? timings.database(.readOnly),
      let text = try? database.answer(for: key),
      let answer = try? PlanCacheEntry(text: text).answer(to: request)
    else { return nil }
    noteUse(of: key, database)
    return answer
  }

  /// Keeps `answer` to a request whose measured times have the digest `measured`.
  func keep(_ answer: SearchAnswer, to request: SearchRequest, measured: Digest) {
    guard !answer.plans.isEmpty, answer.mispriced.isEmpty else { return }
    let entry = PlanCacheEntry(answer)
    let text = entry.text
    guard text.utf8.count <= Self.longestEntry, (try? PlanCacheEntry(text: text)) == entry else {
      return
    }
    try? timings.database(.readWrite, patience: Self.patience)
      .keep(answer: text, for: key(request, measured))
  }

  /// Most often the answer used last is used again: then there is nothing to write.
  private func noteUse(of key: String, _ database: TimingDatabase) {
    guard (try? database.isLatestAnswer(key)) == false else { return }
    try? timings.database(.readWrite, patience: Self.patience).noteUse(ofAnswer: key)
  }

  private func key(_ request: SearchRequest, _ measured: Digest) -> String {
    PlanCacheKey(request, program: program, timings: measured).text
  }
}

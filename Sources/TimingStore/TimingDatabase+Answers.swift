import GRDB
import PlanIR

/// Answers of searches, kept under keys that say all they depend on. They are no timings: nothing lists or
/// exports them, and pruning timings drops them.
extension TimingDatabase {
  /// How many answers are kept: those used last.
  package static let keptAnswers = 256

  /// The answer kept under `key`; nil where there is none, or not as it was written.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails.
  package func answer(for key: String) throws(TimingStoreError) -> String? {
    let found: String?? = try read { database in
      guard try TimingSchema.hasAnswers(database) else { return nil }
      let row = try Row.fetchOne(
        database, sql: "SELECT answer, digest FROM answer WHERE key = ?", arguments: [key])
      guard let row else { return nil }
      let (answer, digest): (String, String) = (row["answer"], row["digest"])
      return digest == Self.digest(of: answer, key) ? answer : nil
    }
    return found ?? nil
  }

  /// Whether no other answer was used after that under `key`.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails.
  package func isLatestAnswer(_ key: String) throws(TimingStoreError) -> Bool {
    try read { database in
      guard try TimingSchema.hasAnswers(database) else { return false }
      let latest = try String.fetchOne(
        database, sql: "SELECT key FROM answer ORDER BY used DESC LIMIT 1")
      return latest == key
    } ?? false
  }

  /// Keeps `answer` under `key` as the one used last, in place of what was kept there, and drops those used
  /// longest ago.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails or was opened for reading.
  package func keep(answer: String, for key: String) throws(TimingStoreError) {
    try write { database in
      try database.execute(
        sql: """
          INSERT OR REPLACE INTO answer (key, answer, digest, used)
          VALUES (?, ?, ?, (SELECT coalesce(max(used), 0) + 1 FROM answer))
          """, arguments: [key, answer, Self.digest(of: answer, key)])
      try database.execute(
        sql: """
          DELETE FROM answer WHERE key NOT IN
          (SELECT key FROM answer ORDER BY used DESC LIMIT \(Self.keptAnswers))
          """)
    }
  }

  /// Notes that the answer under `key` was used, if it is still there.
  ///
  /// - Throws: ``TimingStoreError`` where the file fails or was opened for reading.
  package func noteUse(ofAnswer key: String) throws(TimingStoreError) {
    try write { database in
      try database.execute(
        sql: "UPDATE answer SET used = (SELECT max(used) + 1 FROM answer) WHERE key = ?",
        arguments: [key])
    }
  }

  /// By which an answer is known to be as it was written, under the key it was written for.
  private static func digest(of answer: String, _ key: String) -> String {
    var digest = Digest()
    digest.add(key)
    digest.add(answer)
    return digest.text
  }
}

import GRDB
import PlanIR

/// A row of the table `timing`: a key and what was measured for it.
struct TimingRecord: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "timing"
  /// A new measurement replaces the old one.
  static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace)

  var kernel: String
  var dtype: String
  var shape: String
  var transposition: String
  var backend: String
  var fingerprint: String
  var samples: Int
  var medianNanoseconds: Double
  var spreadNanoseconds: Double
  var date: String
  var version: String
  /// What the kernel has to do; null where it was not noted.
  var elements: Int?
  var flops: Int?

  enum CodingKeys: String, CodingKey, ColumnExpression {
    case kernel, dtype, shape, transposition, backend, fingerprint, samples
    case medianNanoseconds = "median_ns"
    case spreadNanoseconds = "spread_ns"
    case date, version, elements, flops
  }

  init(_ key: TimingKey, _ timing: Timing) {
    kernel = key.kernel
    dtype = key.dtype.rawValue
    shape = key.shapeText
    transposition = key.transposition
    backend = key.backend
    fingerprint = key.fingerprint
    samples = timing.samples
    medianNanoseconds = timing.medianNanoseconds
    spreadNanoseconds = timing.spreadNanoseconds
    date = timing.date
    version = timing.version
    elements = timing.amount?.elements
    flops = timing.amount?.flops
  }

  /// The key and what was measured.
  ///
  /// - Parameter file: The name that the error gives.
  /// - Returns: The entry.
  /// - Throws: ``TimingStoreError/damaged(file:reason:)`` where the row has no dtype or shape that
  ///   we know, or times that nobody measured.
  func entry(file: String) throws(TimingStoreError) -> (key: TimingKey, timing: Timing) {
    guard let dtype = DType(rawValue: dtype) else {
      throw .damaged(file: file, reason: "the dtype \(self.dtype.debugDescription)")
    }
    let sizes = shape.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard shape.isEmpty || !sizes.contains(nil) else {
      throw .damaged(file: file, reason: "the shape \(shape.debugDescription)")
    }
    let key = TimingKey(
      kernel: kernel, dtype: dtype, shape: sizes.compactMap { $0 }, transposition: transposition,
      backend: backend, fingerprint: fingerprint)
    let timing = Timing(
      samples: samples, medianNanoseconds: medianNanoseconds,
      spreadNanoseconds: spreadNanoseconds, date: date, version: version,
      amount: elements.map { KernelAmount(elements: $0, flops: flops ?? 0) })
    if let flaw = timing.flaw {
      throw .damaged(file: file, reason: "the timing of \(kernel) \(shape): \(flaw)")
    }
    return (key, timing)
  }
}

extension TimingKey {
  /// The shape as it is stored: `512x1024x1024`, empty for a scalar.
  var shapeText: String { shape.map(String.init).joined(separator: "x") }
}

extension Timing {
  /// Why this cannot be stored, or nil.
  var flaw: String? {
    if !(1...Self.mostSamples).contains(samples) { return "it has \(samples) samples" }
    for (name, time) in [("median", medianNanoseconds), ("spread", spreadNanoseconds)]
    where !(0...Self.longestNanoseconds).contains(time) {
      return "its \(name) is \(time) ns"
    }
    return nil
  }
}

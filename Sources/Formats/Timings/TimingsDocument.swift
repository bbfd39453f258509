package import PlanIR

/// Measured times as a text to keep beside a project or to carry to another machine:
///
///     {
///       "schema": "tpplan.timings/1",
///       "timings": [
///         {"kernel": "matmul", "dtype": "float32", "shape": [512, 1024, 1024],
///          "transposition": "NT", "backend": "openblas", "fingerprint": "...", "samples": 9,
///          "median_ns": 10531200.0, "spread_ns": 20250.5, "date": "2026-11-23", "version": "0.1"},
///         ...
///       ]
///     }
///
/// `JSONValue.canonicalText` writes it, so equal timings give equal bytes.
package struct TimingsDocument: Sendable {
  /// The name under `schema`.
  package static let schema = "tpplan.timings/1"

  /// The timings, sorted by key.
  package let timings: [(key: TimingKey, timing: Timing)]

  /// A document of `timings`, of unequal keys, in any order.
  package init(_ timings: [(key: TimingKey, timing: Timing)]) {
    self.timings = timings.sorted { $0.key < $1.key }
  }

  /// Reads a document whole.
  ///
  /// - Throws: ``FormatError`` at the first wrong entry: unknown or missing fields, times that are
  ///   negative or of more than 30 years, no samples or more than ever were taken, a date that is none, a key that came before.
  package init(_ document: JSONDocument) throws(FormatError) {
    try document.expectSchema(Self.schema)
    try document.root.refuseFields(besides: ["schema", "timings"])
    var seen = Set<TimingKey>()
    var timings: [(key: TimingKey, timing: Timing)] = []
    for node in try document.field("timings").array() {
      try node.refuseFields(besides: Self.fields)
      let key = try Self.key(node)
      if !seen.insert(key).inserted {
        throw node.malformed(
          expected: "a key that did not come before", found: "the same key again",
          remedy: "remove one of the two")
      }
      timings.append((key, try Self.timing(node)))
    }
    self.init(timings)
  }

  /// The document's value, to be written.
  package var value: JSONValue {
    ["schema": .string(Self.schema), "timings": .array(timings.map { Self.entry($0.0, $0.1) })]
  }
}

extension TimingsDocument {
  private static let fields = [
    "kernel", "dtype", "shape", "transposition", "backend", "fingerprint", "samples", "median_ns",
    "spread_ns", "date", "version", "elements", "flops",
  ]

  private static func entry(_ key: TimingKey, _ timing: Timing) -> JSONValue {
    var members = [
      JSONMember(key: "kernel", value: .string(key.kernel)),
      JSONMember(key: "dtype", value: .string(key.dtype.rawValue)),
      JSONMember(key: "shape", value: .array(key.shape.map { .integer($0) })),
      JSONMember(key: "transposition", value: .string(key.transposition)),
      JSONMember(key: "backend", value: .string(key.backend)),
      JSONMember(key: "fingerprint", value: .string(key.fingerprint)),
      JSONMember(key: "samples", value: .integer(timing.samples)),
      JSONMember(key: "median_ns", value: .number(timing.medianNanoseconds)),
      JSONMember(key: "spread_ns", value: .number(timing.spreadNanoseconds)),
      JSONMember(key: "date", value: .string(timing.date)),
      JSONMember(key: "version", value: .string(timing.version)),
    ]
    if let amount = timing.amount {
      members.append(JSONMember(key: "elements", value: .integer(amount.elements)))
      members.append(JSONMember(key: "flops", value: .integer(amount.flops)))
    }
    return .object(members)
  }

  private static func key(_ node: JSONNode) throws(FormatError) -> TimingKey {
    var shape: [Int] = []
    for size in try node.field("shape").array() { shape.append(try size.nonNegativeInteger()) }
    return TimingKey(
      kernel: try kernel(node.field("kernel")),
      dtype: try node.field("dtype").choice(of: DType.self),
      shape: shape, transposition: try node.field("transposition").string(),
      backend: try node.field("backend").string(),
      fingerprint: try node.field("fingerprint").string())
  }

  private static func timing(_ node: JSONNode) throws(FormatError) -> Timing {
    let date = try node.field("date")
    if !(try date.string()).isDay {
      throw date.malformed(expected: "a day such as \"2026-11-23\"")
    }
    return Timing(
      samples: try node.field("samples").positiveInteger(upTo: Timing.mostSamples),
      medianNanoseconds: try median(node.field("median_ns")),
      spreadNanoseconds: try nanoseconds(node.field("spread_ns")),
      date: try date.string(), version: try node.field("version").string(),
      amount: try amount(node))
  }

  private static func kernel(_ node: JSONNode) throws(FormatError) -> String {
    let name = try node.string()
    guard !name.isEmpty else { throw node.malformed(expected: "the name of a kernel") }
    return name
  }

  /// What took no time was not measured.
  private static func median(_ node: JSONNode) throws(FormatError) -> Double {
    let median = try nanoseconds(node)
    guard median > 0 else { throw node.malformed(expected: "more than 0 nanoseconds") }
    return median
  }

  private static func nanoseconds(_ node: JSONNode) throws(FormatError) -> Double {
    try node.number(in: 0...Timing.longestNanoseconds)
  }

  /// What the kernel has to do, of an entry that says it.
  private static func amount(_ node: JSONNode) throws(FormatError) -> KernelAmount? {
    guard let elements = try node.optional("elements") else { return nil }
    return KernelAmount(
      elements: try elements.nonNegativeInteger(),
      flops: try node.field("flops").nonNegativeInteger())
  }
}

extension String {
  /// Whether this is a day of the calendar, `2026-11-23`; days sort as texts then.
  package var isDay: Bool {
    guard let match = wholeMatch(of: /([0-9]{4})-([0-9]{2})-([0-9]{2})/),
      let year = Int(match.1), let month = Int(match.2), let day = Int(match.3)
    else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...12).contains(month) && (1...days[month - 1]).contains(day)
  }
}

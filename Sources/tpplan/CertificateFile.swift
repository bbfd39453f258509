import Formats
import Partitioner
import PlanIR

/// A certificate as a file: what was asked, the best plan's step, and what became of every candidate.
struct CertificateFile {
  let devices: Int
  let limit: Bytes?
  /// The words of the pins, as the command line takes them.
  let pins: [String]
  let step: Picoseconds
  let certificate: Certificate

  static let schema = "tpplan.certificate/1"

  init(
    devices: Int, limit: Bytes?, pins: [String], step: Picoseconds, certificate: Certificate
  ) {
    (self.devices, self.limit, self.pins) = (devices, limit, pins)
    (self.step, self.certificate) = (step, certificate)
  }

  // MARK: - Writing

  /// The file's content: equal certificates give equal bytes.
  var text: String {
    let asked: JSONValue = [
      "devices": .integer(devices), "memory_bytes": limit.map { .integer($0.count) } ?? .null,
      "pins": .array(pins.map { .string($0) }),
    ]
    let document: JSONValue = [
      "schema": .string(Self.schema), "asked": asked, "step_ps": .integer(step.count),
      "digest": .string(Self.text(certificate.digest)),
      "candidates": Self.value(of: certificate.root),
    ]
    return document.canonicalText
  }

  private static func value(of node: Certificate.Node) -> JSONValue {
    switch node.bound {
    case .step(let step)?: .integer(step.count)
    case CertifiedBound.none?: .null
    case nil:
      .object(
        node.children.sorted { $0.key < $1.key }
          .map { JSONMember(key: $0.key, value: value(of: $0.value)) })
    }
  }

  private static func text(_ digest: UInt64) -> String {
    let text = String(digest, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  // MARK: - Reading

  /// Reads a certificate.
  ///
  /// - Throws: `FormatError` that names the place of the first thing that cannot be, or says that the bounds are
  ///   not those that were written.
  init(contentsOf path: String) throws(FormatError) {
    let document = try JSONDocument(contentsOf: path)
    try document.expectSchema(Self.schema)
    try document.root.refuseFields(besides: ["schema", "asked", "step_ps", "digest", "candidates"])
    let asked = try document.field("asked")
    try asked.refuseFields(besides: ["devices", "memory_bytes", "pins"])
    devices = try asked.field("devices").integer(in: 1...PlanLimits.devices)
    limit = try asked.optional("memory_bytes").map { node throws(FormatError) in
      Bytes(try node.integer(in: 0...Int.max))
    }
    var words: [String] = []
    for word in try asked.field("pins").array() { words.append(try word.string()) }
    pins = words
    step = Picoseconds(try document.field("step_ps").integer(in: 0...Int.max))
    certificate = Certificate(root: try Self.node(document.field("candidates")))
    let digest = try document.field("digest")
    let own = Self.text(certificate.digest)
    guard try digest.string() == own else {
      throw digest.malformed(
        expected: "\(own.quoted()), which the candidates make",
        found: try digest.string().quoted(),
        remedy: "search again: bounds are not those that were written")
    }
  }

  private static func node(_ node: JSONNode) throws(FormatError) -> Certificate.Node {
    switch node.value {
    case .null: return Certificate.Node(bound: CertifiedBound.none)
    case .integer:
      return Certificate.Node(bound: .step(Picoseconds(try node.integer(in: 0...Int.max))))
    default:
      var children: [String: Certificate.Node] = [:]
      for (key, child) in try node.members() { children[key] = try Self.node(child) }
      return Certificate.Node(children: children)
    }
  }
}

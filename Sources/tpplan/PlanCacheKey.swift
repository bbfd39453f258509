import Formats
import Partitioner
import PlanIR

/// All that the answer of a search on this machine depends on, in short.
struct PlanCacheKey {
  /// The digest, in hexadecimal digits.
  let text: String

  /// Of entries; another one's are not found.
  private static let format = 1

  /// - Parameters:
  ///   - request: The search.
  ///   - program: The digest of the program that searches.
  ///   - timings: The digest of the measured times in the request.
  init(_ request: SearchRequest, program: Digest, timings: Digest) {
    var digest = Digest()
    digest.add(Self.format)
    digest.add(program.text)
    digest.add(timings.text)
    digest.add(NativeModel.value(of: request.training.model).compactText)
    digest.add(JSONValue(request.training.workload).compactText)
    digest.add(ClusterFile.value(of: request.cluster).compactText)
    digest.add(request.devices)
    digest.add(request.limit.map { "\($0.count)" } ?? "unlimited")
    digest.add(Self.text(of: request.pins))
    digest.add(request.objective.rawValue)
    digest.add(request.keep)
    digest.add("front \(request.keepsFront), layouts \(request.comparesLayouts)")
    text = digest.text
  }

  /// Every property by its name, so that a new one is not forgotten; the only set is put in order.
  private static func text(of pins: Pins) -> String {
    var rest = pins
    rest.exclusions.layouts = []
    return "\(rest) without \(pins.exclusions.layouts.sorted())"
  }
}

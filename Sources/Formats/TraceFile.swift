/// A timeline as Chrome and Perfetto read it: the JSON object form of the Trace Event Format, complete
/// events alone.
package enum TraceFile {
  /// Something that takes its time on one track.
  package struct Event: Sendable {
    package var name, category: String
    /// The group of tracks, and the track.
    package var process, track: Int
    package var startSeconds, seconds: Double
    package var details: [(key: String, value: Int)]

    package init(
      name: String, category: String, process: Int, track: Int, startSeconds: Double,
      seconds: Double, details: [(key: String, value: Int)] = []
    ) {
      self.name = name
      self.category = category
      self.process = process
      self.track = track
      self.startSeconds = startSeconds
      self.seconds = seconds
      self.details = details
    }
  }

  /// The file of `events`, whose groups of tracks have `processes` as names, in order.
  package static func text(_ events: [Event], processes: [String]) -> String {
    let names = processes.enumerated().map { index, name in
      JSONValue.object([
        JSONMember(key: "name", value: "process_name"), JSONMember(key: "ph", value: "M"),
        JSONMember(key: "pid", value: .integer(index)), JSONMember(key: "tid", value: .integer(0)),
        JSONMember(key: "args", value: .object([JSONMember(key: "name", value: .string(name))])),
      ])
    }
    return JSONValue.object([
      JSONMember(key: "displayTimeUnit", value: "ms"),
      JSONMember(key: "traceEvents", value: .array(names + events.map(value))),
    ]).canonicalText
  }

  private static func value(_ event: Event) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(event.name)),
      JSONMember(key: "cat", value: .string(event.category)),
      JSONMember(key: "ph", value: "X"),
      JSONMember(key: "pid", value: .integer(event.process)),
      JSONMember(key: "tid", value: .integer(event.track)),
      JSONMember(key: "ts", value: .number(event.startSeconds * 1e6)),
      JSONMember(key: "dur", value: .number(event.seconds * 1e6)),
      JSONMember(
        key: "args",
        value: .object(event.details.map { JSONMember(key: $0.key, value: .integer($0.value)) })),
    ])
  }
}

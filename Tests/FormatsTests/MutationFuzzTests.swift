import Formats
import Foundation
import PlanIR
import Testing

/// Feeds damaged files to the readers, which must return or throw, never trap.
///
/// `TPPLAN_FUZZ_SECONDS` sets how long (3), `TPPLAN_FUZZ_SEED` repeats a run. A case depends on seed
/// and number alone; should one trap, its file stays behind in the folder that was printed.
@Suite("Damaged files never trap", .serialized)
struct MutationFuzzTests {
  private let seconds = Double(setting("TPPLAN_FUZZ_SECONDS") ?? "") ?? 3
  private let seed = UInt64(setting("TPPLAN_FUZZ_SEED") ?? "") ?? UInt64.random(in: 0 ... .max)

  private static func setting(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name]
  }

  @Test("JSON: what is read has one text that reads back to the same value")
  func json() throws {
    let samples = [
      #"{"a": [1, -2.5e3, true, null], "b\u00e9": {"x": "😀\n", "y": []}, "c": 12345678901}"#,
      #"{"schema":"tpplan.timings/1","timings":[{"kernel":"matmul","shape":[5,7]}]}"#,
      "[[[[[[[[1]]]]]]]]",
    ]
    try fuzz("json", samples.map { Array($0.utf8) }) { bytes, _ in
      let value = try JSONDocument(bytes: bytes, file: "f").root.value
      let text = value.canonicalText
      let back = try JSONDocument(text: text, file: "f").root.value
      #expect(back.canonicalText == text)
      _ = try? TimingsDocument(JSONDocument(bytes: bytes, file: "f"))
    }
  }

  @Test("Safetensors: what is opened can be read to its last element")
  func safetensors() throws {
    let folder = try TemporaryFolder()
    print("fuzz: safetensors case in \(folder.path)/x")
    try fuzz("safetensors", [try Self.sample(in: folder)]) { bytes, _ in
      let file = try SafetensorsFile(try folder.write(bytes, "x"))
      for tensor in file.tensors {
        #expect(tensor.elementCount <= bytes.count)
        let elements = 0..<tensor.elementCount
        _ = try? file.values(tensor.name, elements)
        _ = try? file.integers(tensor.name, elements)
      }
    }
  }

  /// Runs `body` on damaged `samples` until the time is over; it may throw ``FormatError`` only.
  private func fuzz(
    _ name: String, _ samples: [[UInt8]], _ body: ([UInt8], UInt64) throws -> Void
  ) throws {
    print("fuzz: \(name) with TPPLAN_FUZZ_SEED=\(seed)")
    let end = ContinuousClock.now + .seconds(seconds / 2)
    var (number, accepted) = (UInt64(0), 0)
    repeat {
      var mutator = Mutator(seed: seed, number: number)
      let bytes = mutator.damaged(samples[Int(number % UInt64(samples.count))])
      do {
        try body(bytes, number)
        accepted += 1
      } catch let error as FormatError {
        #expect(!error.description.isEmpty && error.exitCode == 65, "case \(number): \(error)")
      }
      number += 1
    } while ContinuousClock.now < end
    print("fuzz: \(name): \(number) cases, \(accepted) accepted")
  }

  private static func sample(in folder: TemporaryFolder) throws -> [UInt8] {
    let tensors = [DType.float64, .int64, .float32, .bfloat16, .float16].map {
      TensorDescription(name: "t.\($0)", shape: [2, 3], dtype: $0)
    }
    let path = folder.path + "/sample"
    let writer = try SafetensorsWriter(path, tensors: tensors, metadata: ["format": "pt"])
    for tensor in tensors {
      try writer.begin(tensor)
      if tensor.dtype == .int64 {
        try writer.write([Int64](repeating: 7, count: 6))
      } else {
        try writer.write([Double](repeating: 1.5, count: 6))
      }
    }
    try writer.finish()
    return try FileBytes.contents(of: path, limit: 1 << 20)
  }
}

/// Damages bytes in the ways files get damaged, and as somebody would who wants to break a reader.
private struct Mutator {
  private let generator: CounterGenerator
  private var index: UInt64 = 0

  init(seed: UInt64, number: UInt64) {
    generator = CounterGenerator(seed: seed, name: "case \(number)")
  }

  mutating func damaged(_ sample: [UInt8]) -> [UInt8] {
    var bytes = sample
    for _ in 0...below(3) where !bytes.isEmpty { damage(&bytes) }
    return bytes
  }

  private mutating func damage(_ bytes: inout [UInt8]) {
    let place = below(bytes.count)
    switch below(7) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = UInt8(below(256))
    case 2: bytes.removeSubrange(place...)
    case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(16)))
    case 4: bytes.insert(contentsOf: Self.insertions[below(Self.insertions.count)], at: place)
    case 5: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + below(64))], at: place)
    default: editNumber(&bytes, from: place)
    }
  }

  /// Replaces the first run of digits after `place` by an awkward number.
  private mutating func editNumber(_ bytes: inout [UInt8], from place: Int) {
    let isDigit = { (byte: UInt8) in byte >= 0x30 && byte <= 0x39 }
    guard let start = bytes[place...].firstIndex(where: isDigit) else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Self.numbers[below(Self.numbers.count)].utf8)
  }

  private mutating func below(_ bound: Int) -> Int {
    index += 1
    return generator.integer(below: bound, at: index)
  }

  private static let numbers = [
    "0", "-1", "1", "48", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "4294967296", "1e308", "1e309", "0.5", "1e18", "-0", "99999999999999999999999999",
  ]

  private static let insertions: [[UInt8]] =
    ["{", "}", "[", "]", "\"", ",", ":", "\\", "\\ud800", "\\u0000", "null", "NaN", "-", "\u{0}"]
    .map { Array($0.utf8) } + [
      [UInt8](repeating: UInt8(ascii: "["), count: 200), [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80],
      [UInt8](repeating: 0xFF, count: 8),
    ]
}

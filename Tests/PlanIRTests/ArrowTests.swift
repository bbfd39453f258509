import Foundation
import TestSupport
import Testing

/// The rooms of `docs/architecture.md`: which may import which.
@Suite struct ArrowTests {
  private static let allowed: [String: Set<String>] = [
    "PlanIR": [], "Formats": ["PlanIR"], "Partitioner": ["PlanIR"],
    "Kernels": ["PlanIR", "COpenBLAS"], "Executor": ["PlanIR", "Kernels"],
    "Reference": ["PlanIR", "COpenBLAS"], "Proof": ["PlanIR", "Executor", "Reference"],
    "Calibration": ["PlanIR", "Kernels", "Executor"], "TimingStore": ["PlanIR", "GRDB"],
    "tpplan": [
      "PlanIR", "Formats", "Partitioner", "Kernels", "Executor", "Reference", "Proof",
      "Calibration", "TimingStore", "ArgumentParser",
    ],
  ]

  private static let system: Set<String> = [
    "Foundation", "FoundationEssentials", "Glibc", "Synchronization", "Dispatch",
  ]

  @Test(arguments: allowed.keys.sorted())
  func `a room imports only what its arrows allow`(room: String) throws {
    let folder = Golden.root.appendingPathComponent("Sources/\(room)")
    let files = try #require(
      FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      count += 1
      let text = try String(contentsOf: file, encoding: .utf8)
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "import"), place <= 1, words.count == place + 2
        else { continue }
        let module = String(words[place + 1])
        let isAllowed = Self.allowed[room]?.contains(module) == true || Self.system.contains(module)
        #expect(isAllowed, "\(room)/\(file.lastPathComponent) imports \(module)")
      }
    }
    #expect(count > 0)
  }

  @Test func `every room is known here`() throws {
    let sources = Golden.root.appendingPathComponent("Sources")
    let rooms = try FileManager.default.contentsOfDirectory(atPath: sources.path)
    #expect(Set(rooms) == Set(Self.allowed.keys).union(["COpenBLAS"]))
  }

  @Test func `no source file is longer than 400 lines`() throws {
    let sources = Golden.root.appendingPathComponent("Sources")
    let files = try #require(
      FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.split(separator: "\n").count <= 400, "\(file.lastPathComponent)")
    }
  }
}

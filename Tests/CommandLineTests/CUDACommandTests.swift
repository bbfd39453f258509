import Foundation
import TestSupport
import Testing

/// `calibrate --cluster cuda` as a process, with the stub for CUDA's libraries.
@Suite struct CUDACommandTests {
  private let line: CommandLine
  private let stub: StubCUDA
  private let calibrate = "calibrate --cluster cuda --model gpt2 "

  init() throws {
    (line, stub) = (try CommandLine(), try StubCUDA())
    line.environment["TPPLAN_CUDA_LIBRARIES"] = stub.folder.path
  }

  @Test func `what the budget leaves another run takes`() throws {
    let first = try line.run(calibrate + "--budget 0.2 --verbose")
    let told = first.error.split(separator: "\n").filter { $0.hasPrefix("stored ") }
    #expect(first.code == 0 && !told.isEmpty, "\(first.error)")
    #expect(first.output.contains("\n\(told.count) measured"), "\(first.output)")
    #expect(first.output.contains("attention is not measured"))
    let rest = try line.run(calibrate + "--json").json()
    #expect(rest["skipped"] as? Int == told.count && rest["left"] as? Int == 0)
    let kinds = try #require(rest["kinds"] as? [String: Int])
    #expect(kinds["copies"] == 15 && (kinds["kernels"] ?? 0) > 100)
    let rates = try #require(rest["rates"] as? [String: Double])
    #expect(try #require(rates["bfloat16_flops_per_second"]) < 8e14)
    #expect(try #require(rates["float32_flops_per_second"]) < 5e13)
    let listed = try #require(
      try line.run("timings list --json").json()["timings"] as? [[String: Any]])
    #expect(listed.count == told.count + (rest["measured"] as? Int ?? 0))
    let backends = Set(listed.compactMap { $0["backend"] as? String })
    #expect(backends == ["cublas", "cublas-tf32", "nvrtc", "cuda"])
    let fingerprints = Set(listed.compactMap { $0["fingerprint"] as? String })
    #expect(fingerprints == [try #require(rest["fingerprint"] as? String)])
  }

  @Test(arguments: ["libcuda.so.1", "libcublas.so.12", "libnvrtc.so.12"])
  func `a library that is missing ends with 1 and one message`(_ name: String) throws {
    let stub = try StubCUDA(without: [name])
    line.environment["TPPLAN_CUDA_LIBRARIES"] = stub.folder.path
    let outcome = try line.run(calibrate + "--json")
    // A machine that has the library elsewhere finds it there.
    guard outcome.code != 0 else { return }
    #expect(outcome.code == 1 && outcome.error.split(separator: "\n").count == 1)
    #expect(outcome.error.contains(name) && outcome.error.contains(stub.folder.path))
    let error = try #require(try outcome.json()["error"] as? [String: Any])
    #expect(error["exit_code"] as? Int == 1)
  }
}

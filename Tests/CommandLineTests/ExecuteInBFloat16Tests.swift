import Formats
import Foundation
import PlanIR
import Testing

@Suite struct ExecuteInBFloat16Tests {
  private func planned(_ search: String) throws -> CommandLine {
    let line = try CommandLine()
    #expect(try line.run("search \(search) --emit @/plan.json").code == 0)
    return line
  }

  private func values(_ name: String, _ file: SafetensorsFile) throws -> [Double] {
    let count = try #require(file.description(of: name)).elementCount
    var values = [Double](repeating: .nan, count: count)
    try values.withUnsafeMutableBufferPointer { try file.read(name, range: 0..<count, into: $0) }
    return values
  }

  @Test(arguments: ["tiny-gpt2 --layout summa --mesh 2x2", "tiny-llama --tensor 4"])
  func `a bfloat16 run tells how far it is from float64, to no tolerance`(
    _ search: String
  ) throws {
    let line = try planned("\(search) --devices 4 --precision mixed")
    let outcome = try line.run("execute @/plan.json --dtype bfloat16 --json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let document = try outcome.json()
    #expect(document["valid"] as? Bool == true && document["tolerance"] is NSNull)
    #expect(document["dtype"] as? String == "bfloat16")
    let errors = try #require(document["errors"] as? [String: Any])
    let gradients = try #require(errors["gradients"] as? [String: Any])
    for error in [errors["logits"], gradients["max"]] {
      let error = try #require(error as? Double)
      #expect(1e-4 < error && error < 5e-2)
    }
    let peaks = try #require(document["peak_bytes"] as? [String: [Int]])
    #expect(peaks["predicted"] == peaks["measured"])
    // Float32 holds twice what two bytes plan, and as much as four.
    let planned = try #require(peaks["measured"]?.first)
    let executed = try #require((document["peak_bytes_executed"] as? [Int])?.first)
    #expect(planned < executed && executed < 2 * planned)
    let text = try line.run("execute @/plan.json --dtype bfloat16").output
    #expect(text.contains("deviation from float64") && !text.contains("tolerance"))
    #expect(text.contains("bfloat16") && text.hasSuffix("valid\n"))
  }

  @Test func `a dump has each tensor in the type it was stored in, and is read back`() throws {
    let line = try planned("tiny-gpt2 --devices 4 --tensor 2 --precision mixed")
    let run = "execute @/plan.json --dtype bfloat16 --no-validate --json --steps 2"
    let first = try line.run(run + " --dump @/dump.st").json()
    let file = try SafetensorsFile(line.path("dump.st"))
    for tensor in file.tensors {
      let isNarrow = tensor.name == "logits" || tensor.name.hasPrefix("param.")
      #expect(tensor.dtype == (isNarrow ? .bfloat16 : .float32), "\(tensor)")
      #expect(try values(tensor.name, file).allSatisfy(\.isFinite), "\(tensor)")
    }
    #expect(try values("loss", file).first == first["loss"] as? Double)
    #expect(try values("losses", file).count == 2)
    try copyParameters(of: file, to: line.path("weights.st"))
    let again = try line.run(run + " --weights @/weights.st --dump @/again.st")
    #expect(again.code == 0, "\(again.error)")
    // Weights that were rounded are loaded as they are: training goes on where it ended.
    let losses = try values("losses", file)
    #expect(try #require(try again.json()["loss"] as? Double) < losses[1])
  }

  /// Writes the parameters after the last update as a checkpoint in bfloat16.
  private func copyParameters(of file: SafetensorsFile, to path: String) throws {
    let parameters = file.tensors.filter { $0.name.hasPrefix("param.") }
    let names = parameters.map { String($0.name.dropFirst("param.".count)) }
    let written = zip(names, parameters).map {
      TensorDescription(name: $0, shape: $1.shape, dtype: $1.dtype)
    }
    let writer = try SafetensorsWriter(path, tensors: written)
    for (source, target) in zip(parameters, written) {
      try writer.begin(target)
      try values(source.name, file).withUnsafeBufferPointer { try writer.write($0) }
    }
    try writer.finish()
  }

  @Test func `a plan of 4-byte widths dumps the bytes of a float32 run`() throws {
    let line = try planned("tiny-llama --devices 2 --precision fp32")
    for dtype in ["float32", "bfloat16"] {
      let run = "execute @/plan.json --dtype \(dtype) --steps 2 --dump @/\(dtype).st"
      let outcome = try line.run(run)
      #expect(
        outcome.code == 0 && outcome.error.contains("rounds nothing") == (dtype == "bfloat16"))
    }
    let dumps = try ["float32", "bfloat16"].map {
      try Data(contentsOf: URL(fileURLWithPath: line.path("\($0).st")))
    }
    #expect(dumps[0] == dumps[1])
  }

  @Test func `kernels of a bfloat16 run are recorded as the float32 kernels they are`() throws {
    let line = try planned("tiny-gpt2 --devices 2 --precision mixed")
    #expect(try line.run("execute @/plan.json --dtype bfloat16 --no-validate").code == 0)
    let document = try line.run("timings list --json").json()
    let timings = try #require(document["timings"] as? [[String: Any]])
    #expect(!timings.isEmpty && timings.allSatisfy { $0["dtype"] as? String == "float32" })
    #expect(timings.contains { $0["kernel"] as? String == "matmul" })
  }

  @Test(arguments: ["bfloat16", "float32", "float64"])
  func `numbers that are not finite end a run with 1`(_ dtype: String) throws {
    let line = try planned("tiny-gpt2 --devices 2 --precision mixed")
    let rate = dtype == "float64" ? "1e300" : "1e30"
    let run =
      "execute @/plan.json --dtype \(dtype) --steps 8 --learning-rate \(rate) --no-validate --no-record"
    let outcome = try line.run(run)
    #expect(outcome.code == 1 && outcome.output.contains("NOT VALID: numbers are not finite"))
    let document = try line.run(run + " --json").json()
    #expect(document["valid"] as? Bool == false)
    #expect((document["tolerance"] is NSNull) == (dtype == "bfloat16"))
  }

  @Test(arguments: ["float16", "bf16", "int64", "BFLOAT16"])
  func `an element type that no run has is wrong usage`(_ dtype: String) throws {
    let line = try planned("tiny-gpt2 --devices 2")
    let outcome = try line.run("execute @/plan.json --dtype \(dtype) --json")
    #expect(outcome.code == 64 && outcome.output.isEmpty)
    for word in ["--dtype", "'\(dtype)'", "float32", "float64", "bfloat16"] {
      #expect(outcome.error.contains(word), "\(outcome.error)")
    }
  }
}

import Formats
import Foundation
import PlanIR
import Testing

@Suite struct ExecuteTests {
  private func planned(_ search: String) throws -> CommandLine {
    let line = try CommandLine()
    #expect(try line.run("search \(search) --emit @/plan.json").code == 0)
    return line
  }

  @Test func `parts of a step are told beside what they are priced at where that is asked for`()
    throws
  {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 2 --global-batch 4 --emit @/plan.json")
    let run = "execute @/plan.json --no-validate --no-record --steps 2"
    #expect(try line.run("\(run) --json").json()["parts"] == nil)
    let parts = try #require(
      try line.run("\(run) --parts --json").json()["parts"] as? [[String: Any]])
    let names = parts.compactMap { $0["part"] as? String }
    #expect(names.contains("matmul") && names.contains("between instructions"))
    let measured = parts.compactMap { $0["measured_seconds"] as? Double }
    #expect(measured.count == parts.count && measured == measured.sorted(by: >))
    #expect(parts.allSatisfy { ($0["priced_seconds"] as? Double ?? -1) >= 0 })
    let text = try line.run("\(run) --parts").output
    #expect(text.contains("\nCPU time of all devices ") && text.hasSuffix("valid\n"))
  }

  @Test func `a dump has the names and shapes of the checkpoint`() throws {
    let line = try planned("tiny-gpt2 --devices 2 --tensor 2")
    let outcome = try line.run("execute @/plan.json --steps 2 --dump @/dump.st --json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let document = try outcome.json()
    #expect(document["valid"] as? Bool == true)
    #expect((document["step_seconds"] as? [Double])?.count == 2)
    let file = try SafetensorsFile(line.path("dump.st"))
    let shapes = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.shape) })
    #expect(shapes["loss"] == [] && shapes["losses"] == [2] && shapes["logits"] == [8, 32, 500])
    for prefix in ["grad.", "param."] {
      #expect(shapes[prefix + "transformer.wte.weight"] == [500, 64])
      #expect(shapes[prefix + "transformer.h.1.attn.c_attn.weight"] == [64, 192])
      #expect(shapes[prefix + "transformer.h.0.mlp.c_fc.bias"] == [256])
    }
    #expect(shapes["grad.lm_head.weight"] == nil)
  }

  @Test func `a dump's parameters are weights, a changed one is refused`() throws {
    let line = try planned("tiny-llama --devices 2 --tensor 2")
    #expect(try line.run("execute @/plan.json --steps 2 --dump @/dump.st").code == 0)
    let file = try SafetensorsFile(line.path("dump.st"))
    let parameters = file.tensors.filter { $0.name.hasPrefix("param.") }
    let name = "model.layers.1.mlp.up_proj.weight"
    try copy(parameters, of: file, to: line.path("all.st")) { $0 }
    #expect(try line.run("execute @/plan.json --weights @/all.st").code == 0)
    try copy(parameters.filter { $0.name != "param." + name }, of: file, to: line.path("few.st")) {
      $0
    }
    try copy(parameters, of: file, to: line.path("cut.st")) {
      $0.name == name ? TensorDescription(name: name, shape: [191, 64], dtype: .float32) : $0
    }
    for weights in ["few.st", "cut.st"] {
      let outcome = try line.run("execute @/plan.json --weights @/\(weights)")
      #expect(outcome.code == 65)
      #expect(outcome.error.contains(weights) && outcome.error.contains(name))
    }
  }

  /// Writes `tensors` without their prefix, each as `change` describes it.
  private func copy(
    _ tensors: [TensorDescription], of file: SafetensorsFile, to path: String,
    _ change: (TensorDescription) -> TensorDescription
  ) throws {
    let written = tensors.map {
      change(
        TensorDescription(
          name: String($0.name.dropFirst("param.".count)), shape: $0.shape, dtype: $0.dtype))
    }
    let writer = try SafetensorsWriter(path, tensors: written)
    for (source, target) in zip(tensors, written) {
      var values = [Double](repeating: 0, count: target.elementCount)
      try values.withUnsafeMutableBufferPointer {
        try file.read(source.name, range: 0..<target.elementCount, into: $0)
      }
      try writer.begin(target)
      try values.withUnsafeBufferPointer { try writer.write($0) }
    }
    try writer.finish()
  }

  private func batch(
    _ path: String, shape: [Int] = [8, 32], token: Int64 = 1, label: Int64 = 2,
    names: [String] = ["input_ids", "labels"], dtype: DType = .int64
  ) throws {
    let tensors = names.map { TensorDescription(name: $0, shape: shape, dtype: dtype) }
    let writer = try SafetensorsWriter(path, tensors: tensors)
    for tensor in tensors {
      try writer.begin(tensor)
      let value = tensor.name == "labels" ? label : token
      if dtype == .int64 {
        try [Int64](repeating: value, count: tensor.elementCount)
          .withUnsafeBufferPointer { try writer.write($0) }
      } else {
        try [Double](repeating: Double(value), count: tensor.elementCount)
          .withUnsafeBufferPointer { try writer.write($0) }
      }
    }
    try writer.finish()
  }

  @Test func `batches that are not the plan's are refused`() throws {
    let line = try planned("tiny-gpt2 --devices 2")
    let file = line.path("b.st")
    try batch(file)
    #expect(try line.run("execute @/plan.json --batch @/b.st").code == 0)
    let wrong: [(String, () throws -> Void)] = [
      ("[7, 32]", { try batch(file, shape: [7, 32]) }),
      ("[256]", { try batch(file, shape: [256]) }),
      ("found 500", { try batch(file, token: 500) }), ("found -1", { try batch(file, token: -1) }),
      ("`labels`, sequence 0", { try batch(file, label: -101) }),
      ("float32", { try batch(file, dtype: .float32) }),
      ("`labels`", { try batch(file, names: ["input_ids"]) }),
    ]
    for (text, write) in wrong {
      try write()
      let outcome = try line.run("execute @/plan.json --batch @/b.st --json")
      #expect(outcome.code == 65, "\(text)")
      #expect(outcome.error.contains(text) && outcome.error.contains("b.st"), "\(outcome.error)")
    }
  }

  @Test func `labels that are all ignored give loss and gradients of zero`() throws {
    let line = try planned("tiny-gpt2 --devices 2")
    try batch(line.path("b.st"), label: -100)
    let outcome = try line.run("execute @/plan.json --batch @/b.st --json --steps 2")
    #expect(outcome.code == 0)
    #expect(try outcome.json()["loss"] as? Double == 0)
  }

  @Test(arguments: [
    "llama-3-70b --devices 64 --tensor 16", "gpt3-175b --devices 96 --tensor 96",
    "llama-3-70b --devices 64 --tensor 32 --sequence-parallel",
    "mistral-7b --devices 32 --tensor 8 --gathers-inputs again",
    "llama-3-70b --devices 192 --tensor 8 --zero 1 --global-batch 192",
    "gpt3-175b --devices 96 --layout summa --mesh 4x4 --zero 2 --global-batch 96",
    "tiny-gpt2 --devices 4 --layout megatron --tensor 1 --sequence-parallel",
    "gpt3-175b --devices 64 --pipeline 8 --schedule interleaved --interleave 2 --layout megatron",
    "llama-3-8b --devices 64 --pipeline 4 --context 2 --recompute full --layout summa --mesh 2x4",
  ])
  func `a plan too large to run has a twin that is valid`(_ search: String) throws {
    let line = try planned(search + " --memory unlimited")
    if !search.hasPrefix("tiny") {
      let large = try line.run("execute @/plan.json --json")
      #expect(large.code == 1 && large.error.contains("--shrink"))
    }
    let twin = try line.run("execute @/plan.json --shrink --json")
    #expect(twin.code == 0, "\(twin.error)")
    #expect(try twin.json()["valid"] as? Bool == true)
    #expect(twin.error.contains("->"))
  }

  @Test(arguments: [
    "--pipeline 2 --schedule zb-h1", "--layout summa --mesh 2x2", "--recompute full",
  ])
  func `a trace has every call of every device, predicted and measured`(_ pins: String) throws {
    let line = try planned("tiny-gpt2 --devices 4 --global-batch 8 --micro-batch 2 \(pins)")
    let outcome = try line.run("execute @/plan.json --trace @/trace.json --json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let text = try String(contentsOf: line.folder.appending(path: "trace.json"), encoding: .utf8)
    let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8))
    let document = try #require(parsed as? [String: Any])
    let all = try #require(document["traceEvents"] as? [[String: Any]])
    let names = all.filter { $0["ph"] as? String == "M" }
      .compactMap { ($0["args"] as? [String: Any])?["name"] as? String }
    #expect(names == ["predicted", "measured"])
    func calls(_ process: Int, _ device: Int) -> [String] {
      all.filter {
        $0["ph"] as? String == "X" && $0["pid"] as? Int == process && $0["tid"] as? Int == device
      }.map { "\($0["name"] ?? "") \($0["args"] ?? "")" }
    }
    for device in 0..<4 {
      let (predicted, measured) = (calls(0, device).count, calls(1, device).count)
      #expect(predicted > 0 && predicted == measured)
    }
  }

  @Test func `a trace of threads that share cores ends with the step that measured times predict`()
    throws
  {
    let line = try planned(
      "tiny-gpt2 --cluster local --devices 16 --global-batch 8 --micro-batch 2 --pipeline 4 "
        + "--layout data --schedule 1f1b")
    let plan = try line.run("explain @/plan.json --json").json()["plan"] as? [String: Any]
    let step = try #require(plan?["step_seconds"] as? Double)
    #expect(try line.run("execute @/plan.json --trace @/trace.json --no-record").code == 0)
    let parsed = try JSONSerialization.jsonObject(with: Data(line.text("trace.json").utf8))
    let events = try #require((parsed as? [String: Any])?["traceEvents"] as? [[String: Any]])
    let ends = events.filter { $0["ph"] as? String == "X" && $0["pid"] as? Int == 0 }
      .compactMap { event in
        (event["ts"] as? Double).flatMap { start in (event["dur"] as? Double).map { start + $0 } }
      }
    #expect(abs((ends.max() ?? 0) * 1e-6 - step) < 1e-3 * step)
  }
}

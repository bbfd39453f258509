import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// A row of Narayanan et al., Efficient Large-Scale Language Model Training on GPU Clusters Using
/// Megatron-LM (arXiv 2104.04473), Table 1; micro-batch and chunks are not stated there and 1 here.
private struct PublishedRow {
  let billions: Double
  let heads, hidden, layers, tensor, pipeline, devices, batch: Int
  let teraflops: Double

  static let all = [
    PublishedRow(1.7, 24, 2304, 24, 1, 1, 32, 512, 137),
    PublishedRow(7.5, 32, 4096, 36, 4, 1, 128, 512, 142),
    PublishedRow(39.1, 64, 8192, 48, 8, 2, 512, 1536, 138),
    PublishedRow(145.6, 96, 12288, 80, 8, 8, 1536, 2304, 148),
    PublishedRow(529.6, 128, 20480, 105, 8, 35, 2520, 2520, 163),
  ]

  init(
    _ billions: Double, _ heads: Int, _ hidden: Int, _ layers: Int, _ tensor: Int, _ pipeline: Int,
    _ devices: Int, _ batch: Int, _ teraflops: Double
  ) {
    (self.billions, self.heads, self.hidden, self.layers) = (billions, heads, hidden, layers)
    (self.tensor, self.pipeline, self.devices, self.batch) = (tensor, pipeline, devices, batch)
    self.teraflops = teraflops
  }

  private static let (sequence, vocabulary) = (2048, 51200)

  var model: Model {
    get throws {
      let config = """
        {"model_type": "gpt2", "n_embd": \(hidden), "n_head": \(heads), "n_layer": \(layers),
         "n_positions": \(Self.sequence), "vocab_size": \(Self.vocabulary),
         "tie_word_embeddings": true}
        """
      let document = try JSONDocument(text: config, file: "config.json")
      return try HuggingFaceConfig.model(of: document.root, name: "\(billions)B")
    }
  }

  /// Seconds of a step by the paper's equation (3) of its FLOPs and the published rate.
  var publishedSeconds: Double {
    let (h, l, s) = (Double(hidden), Double(layers), Double(Self.sequence))
    let factor = 1 + s / (6 * h) + Double(Self.vocabulary) / (16 * l * h)
    return 96 * Double(batch) * s * l * h * h * factor / (Double(devices) * teraflops * 1e12)
  }

  var flags: String {
    "--tensor-model-parallel-size \(tensor) --pipeline-model-parallel-size \(pipeline) "
      + "--micro-batch-size 1 --global-batch-size \(batch) --seq-length 2048 --fp16 "
      + "--transformer-impl local --recompute-granularity full --recompute-method uniform "
      + "--recompute-num-layers 1"
  }
}

@Suite struct PublishedLaunchTests {
  private func audit(_ row: PublishedRow) throws -> AuditAnswer { Audit.run(try request(row)) }

  private func request(_ row: PublishedRow) throws -> AuditRequest {
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let model = try row.model
    let reading = try MegatronLaunch.read(row.flags, model: model)
    var pins = Pins()
    pins.layout = .megatron
    return AuditRequest(
      training: try TrainingGraph(
        model: model, workload: reading.configuration.workload.resolved(for: model)),
      cluster: try clusters.cluster("a100-sxm-80gb"), devices: row.devices,
      configuration: reading.configuration, pins: pins)
  }

  private func text(_ row: PublishedRow, _ answer: AuditAnswer) throws -> String {
    let present = try #require(answer.present)
    let optimum = try #require(answer.optimum)
    func seconds(_ plan: RankedPlan) -> String {
      String(format: "%.3f s", plan.predicted.step.seconds)
    }
    func memory(_ plan: RankedPlan) -> String {
      String(format: "%.2f GiB", Double(plan.predicted.memory.total.count) / 0x1p30)
    }
    var lines = [
      "\(row.billions)B on \(row.devices): tensor \(row.tensor), pipeline \(row.pipeline), "
        + "batch \(row.batch)",
      "  published  \(String(format: "%.3f s", row.publishedSeconds))",
      "  present    \(seconds(present)), \(memory(present)), fits \(answer.fits)",
      "  optimum    \(seconds(optimum)), \(memory(optimum)), "
        + String(format: "%.2fx, from %@", answer.ratio ?? 0, answer.optimumSource.rawValue),
      "             \(optimum.choices.canonicalText)",
    ]
    lines += answer.changes.map {
      "  change     \(seconds($0.plan)), \(memory($0.plan)): \($0.to)"
    }
    lines += answer.path.map { "  path       \(seconds($0.plan)): \($0.to)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Two rows; all five with `TPPLAN_FULL`.
  @Test func `published configurations are audited with what beats them`() throws {
    let few = try PublishedRow.all.prefix(2).map { try text($0, try audit($0)) }
    try Golden.check(few.joined(separator: "\n"), "audit-published.txt")
    guard LayoutMatrix.isFull else { return }
    let rest = try PublishedRow.all.dropFirst(2).map { try text($0, try audit($0)) }
    try Golden.check(rest.joined(separator: "\n"), "audit-published-large.txt")
  }

  @Test(arguments: PublishedRow.all.indices)
  func `a published configuration takes about the published time`(_ index: Int) throws {
    let row = PublishedRow.all[index]
    let request = try request(row)
    let launch = try #require(Audit.price(request))
    let ratio = launch.predicted.step.seconds / row.publishedSeconds
    #expect((0.88...1.12).contains(ratio), "\(row.billions)B: \(ratio)")
  }
}

import Formats
import PlanIR
import Testing

@Suite("Shipped models and clusters")
struct ShippedDataTests {
  @Test("The catalogs list all that is shipped, sorted")
  func names() {
    #expect(ShippedData.models.names == ShippedData.names)
    #expect(ShippedData.clusters.names == ShippedData.clusterNames)
  }

  @Test(
    "Parameter counts are the published ones",
    arguments: [
      ("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080),
      ("gpt2-xl", 1_557_611_200), ("llama-2-7b", 6_738_415_616),
      ("llama-2-70b", 68_976_648_192), ("llama-3-8b", 8_030_261_248),
      ("llama-3-70b", 70_553_706_496), ("mistral-7b", 7_241_732_096),
      ("qwen2.5-7b", 7_615_616_512),
    ])
  func published(name: String, count: Int) throws {
    #expect(try ShippedData.models.model(name).parameterCount == count)
  }

  @Test(
    "Models that were never published have the size of the papers' formula",
    arguments: [
      ("gpt3-175b", 12288, 96, 50257), ("megatron-22b", 6144, 48, 51200),
      ("megatron-530b", 20480, 105, 51200), ("megatron-1t", 25600, 128, 51200),
    ])
  func formula(name: String, hidden: Int, layers: Int, vocabulary: Int) throws {
    let model = try ShippedData.models.model(name)
    let layer = 12 * hidden * hidden + 13 * hidden
    #expect(
      model.parameterCount == layers * layer + (vocabulary + 2048) * hidden + 2 * hidden)
    #expect(model.layers == layers)
  }

  @Test("A model makes graphs, fused and not", arguments: ShippedData.names)
  func graphs(name: String) throws {
    let model = try ShippedData.models.model(name)
    var workload = WorkloadOverrides().resolved(for: model)
    #expect(try GraphBuilder.chain(of: model, workload: workload).count == 3)
    workload.attention = .unfused
    workload.dropout = 0.1
    #expect(try GraphBuilder.chain(of: model, workload: workload).count == 3)
    #expect(model.name == name)
  }

  @Test("A model written natively reads back equal", arguments: ShippedData.names)
  func roundTrip(name: String) throws {
    let model = try ShippedData.models.model(name)
    let text = NativeModel.value(of: model).canonicalText
    let back = try NativeModel.model(of: JSONDocument(text: text, file: "m").root)
    #expect(back == model)
    #expect(NativeModel.value(of: back).canonicalText == text)
  }

  @Test("A cluster written reads back equal", arguments: ShippedData.clusterNames)
  func clusterRoundTrip(name: String) throws {
    let cluster = try ShippedData.clusters.cluster(name)
    let text = ClusterFile.value(of: cluster).canonicalText
    let back = try ClusterFile.cluster(of: JSONDocument(text: text, file: "c").root)
    #expect(back == cluster)
    #expect(cluster.name == name)
    #expect(cluster.isLocal == (name == "local"))
  }

  @Test("Each figure of a cluster names its source", arguments: ShippedData.clusterNames)
  func sources(name: String) throws {
    let cluster = try ShippedData.clusters.cluster(name)
    let device = [
      "memory_bytes", "reserved_bytes", "framework_bytes", "matmul_flops_16", "matmul_flops_32",
      "matmul_efficiency", "memory_bandwidth_bytes_per_second", "memory_efficiency",
      "launch_seconds",
    ]
    let levels = cluster.levels.flatMap { ["\($0.name).bandwidth", "\($0.name).latency"] }
    for figure in device + levels {
      #expect(cluster.sources[figure] != nil, "\(figure)")
    }
  }

  @Test("The tiny models are what the writer makes of their configurations")
  func tiny() throws {
    for (name, config) in [("tiny-gpt2", TinyModels.gpt2), ("tiny-llama", TinyModels.llama)] {
      let model = try TinyModels.model(name, config)
      let text = NativeModel.value(of: model).canonicalText
      #expect(try ShippedData.holds(text, at: "models/\(name).json"), "\(name)")
      #expect(try ShippedData.models.model(name) == model)
    }
  }

  @Test("The documented examples are read, and written the same")
  func examples() throws {
    let model = NativeModel.value(of: try TinyModels.example()).canonicalText
    let modelPath = "docs/schemas/examples/model.json"
    #expect(try ShippedData.holds(model, at: modelPath))
    #expect(
      try ShippedData.models.model(ShippedData.root + "/" + modelPath) == TinyModels.example())
    var cluster = try ShippedData.clusters.cluster("h100-sxm")
    cluster.name = "example"
    cluster.sharedCores = 2
    let clusterPath = "docs/schemas/examples/cluster.json"
    #expect(
      try ShippedData.holds(ClusterFile.value(of: cluster).canonicalText, at: clusterPath))
    #expect(try ShippedData.clusters.cluster(ShippedData.root + "/" + clusterPath) == cluster)
  }

  @Test("Arguments name shipped models, files and folders; others are told what is shipped")
  func resolution() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(TinyModels.gpt2, "config.json")
    let models = ShippedData.models
    #expect(try models.model(path) == models.model(folder.path))
    #expect(try models.model(path).name == folder.path.split(separator: "/").last.map(String.init))
    #expect(throws: FormatError.missing(file: folder.path + "/nothing.json")) {
      try models.model(folder.path + "/nothing.json")
    }
    let error = #expect(throws: FormatError.self) { try ShippedData.clusters.cluster("h100") }
    #expect(error?.exitCode == 66)
    #expect(
      error?.description.hasPrefix(
        "\"h100\": neither a file nor the name of a shipped cluster; give a path or one of "
          + "a100-sxm-40gb, a100-sxm-80gb, h100-sxm,") == true)
    let none = ModelCatalog(folders: ["/nowhere"])
    #expect(none.names.isEmpty)
    #expect(throws: FormatError.unknown(name: "", kind: "model", shipped: [])) {
      try none.model("")
    }
  }

  @Test("A model's name is the file's or the folder's")
  func modelNames() {
    #expect(ModelCatalog.name(of: "models/gpt2.json") == "gpt2")
    #expect(ModelCatalog.name(of: "/hub/Llama/config.json") == "Llama")
    #expect(ModelCatalog.name(of: "config.json") == "config")
    #expect(ModelCatalog.name(of: "../config.json") == "model")
    #expect(ModelCatalog.name(of: "a\u{1b}b/config.json") == "ab")
  }
}

import Formats
import Glibc

/// The repository's shipped data and documents, from where the tests were compiled.
enum ShippedData {
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
  static let models = ModelCatalog(folders: [root + "/models"])
  static let clusters = ClusterCatalog(folders: [root + "/models/clusters"])

  /// The shipped Hugging Face configurations and native models, by name.
  static let names = [
    "gpt2", "gpt2-large", "gpt2-medium", "gpt2-xl", "gpt3-175b", "llama-2-70b", "llama-2-7b",
    "llama-3-70b", "llama-3-8b", "megatron-1t", "megatron-22b", "megatron-530b", "mistral-7b",
    "qwen2.5-7b", "tiny-gpt2", "tiny-llama",
  ]

  static let clusterNames = [
    "a100-sxm-40gb", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "local", "rtx5000-16gb",
    "v100-sxm-32gb", "v100-sxm3-32gb",
  ]

  /// The text of a file of the repository.
  static func text(_ path: String) throws -> String {
    String(decoding: try FileBytes.contents(of: "\(root)/\(path)", limit: 1 << 22), as: UTF8.self)
  }

  /// Whether `path` of the repository holds `text`; `TPPLAN_RECORD=1` writes it there first.
  static func holds(_ text: String, at path: String) throws -> Bool {
    if getenv("TPPLAN_RECORD") != nil { try AtomicFile.write(text, to: "\(root)/\(path)") }
    return try ShippedData.text(path) == text
  }
}

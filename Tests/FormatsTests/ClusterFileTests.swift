import Formats
import PlanIR
import Testing

@Suite("Refused clusters")
struct ClusterFileTests {
  @Test(
    "Wrong figures are told by path",
    arguments: [
      ("tpplan.cluster/1", "tpplan.model/1", "$.schema: "),
      ("\"launch_seconds\"", "\"launch\"", "$.device.launch: expected one of the fields"),
      ("\"matmul_efficiency\": 0.711", "\"matmul_efficiency\": 71", "$.device.matmul_efficiency"),
      ("\"matmul_flops_16\": 9", "\"matmul_flops_16\": -9", "$.device.matmul_flops_16: "),
      ("\"memory_bytes\": 85520809984", "\"memory_bytes\": 1.5", "$.device.memory_bytes: "),
      (
        "\"reserved_bytes\": 4", "\"reserved_bytes\": 99",
        "$.device.reserved_bytes: expected less than memory_bytes"
      ),
      ("\"devices_per_node\": 8", "\"devices_per_node\": 0", "$.devices_per_node: "),
      ("\"devices\": 8", "\"devices\": null", "$.levels[0].devices: expected a number"),
      (
        "\"devices\": null", "\"devices\": 12",
        "$.levels[1].devices: expected a larger multiple of the 8 of nvlink"
      ),
      ("\"devices\": null", "\"devices\": 16", "$.levels[1].devices: expected null"),
      ("\"name\": \"infiniband\"", "\"name\": \"nvlink\"", "that no other level has"),
      ("\"latency_seconds\": 1.4e-05", "\"latency_seconds\": \"14us\"", "$.levels[1].latency"),
      (
        "\"128x256\"", "\"128\"", "$.device.products.tiles[10]: expected rows and columns of a tile"
      ),
      ("\"overlap_exponent\": 5", "\"overlap_exponent\": -5", "$.device.products.overlap_exponent"),
      (
        "NT 512 2304 768 6", "NT 512 2304 6",
        "$.device.products.measured[0]: expected transposition"
      ),
      (
        "NT 512 2304 768 6", "NT 512 2304 0 6",
        "$.device.products.measured[0]: expected transposition"
      ),
      (
        "\"rotary\"", "\"rotari\"", "$.device.operators.families.rotari: expected one of the fields"
      ),
      ("\"96\": 0.752", "\"wide\": 0.752", "expected a head width as the key"),
    ])
  func refused(old: String, new: String, expected: String) throws {
    let sample = try ShippedData.text("models/clusters/h100-sxm.json")
    let range = try #require(sample.ranges(of: old).first, "\(old) is not in the cluster")
    var text = sample
    text.replaceSubrange(range, with: new)
    let document = try JSONDocument(text: text, file: "c.json")
    let error = #expect(throws: FormatError.self) { try ClusterFile.cluster(of: document.root) }
    #expect(error?.exitCode == 65)
    #expect(error?.description.hasPrefix("c.json: at $") == true)
    #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
  }
}

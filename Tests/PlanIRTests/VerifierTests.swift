import PlanIR
import TestSupport
import Testing

@Suite struct VerifierTests {
  @Test(arguments: [false, true], AttentionForm.allCases)
  func `differentiated graphs of both families verify`(
    isLlama: Bool, attention: AttentionForm
  ) throws {
    var sample = SampleModel()
    sample.normalisesHeads = isLlama
    let model = isLlama ? sample.llama() : sample.gpt2()
    let workload = Workload(globalBatch: 2, sequence: 8, attention: attention, dropout: 0.1)
    for block in try GraphBuilder.chain(of: model, workload: workload).flatMap(\.blocks) {
      #expect(GraphVerifier.faults(of: GradientGraph(of: block)).isEmpty)
    }
  }

  @Test func `a gradient that is never computed is named`() throws {
    let workload = Workload(globalBatch: 2, sequence: 8)
    let chain = try GraphBuilder.chain(of: SampleModel().gpt2(), workload: workload)
    var gradients = GradientGraph(of: chain[1].blocks[0])
    gradients.weightGradient.removeLast()
    let faults = GraphVerifier.faults(of: gradients)
    #expect(faults.count == 1)
    gradients.inputGradient.remove(at: 1)
    #expect(GraphVerifier.faults(of: gradients).count > 1)
  }

  @Test func `an axis used twice, or not there, is named`() throws {
    let mesh = Mesh([MeshAxis("data", 2), MeshAxis("tensor", 8)])
    let data = mesh.whole("data")
    let tensor = try #require(mesh.axis("tensor"))
    let parts = tensor.split(majorSize: 2)
    let sound = Sharding(dimensions: [data, parts.major, []], unreduced: parts.minor)
    #expect(ShardingVerifier.faults(of: sound, in: mesh).isEmpty)
    let twice = Sharding(dimensions: [[tensor], parts.minor])
    #expect(ShardingVerifier.faults(of: twice, in: mesh) == ["tensor:(2)4 twice"])
    let absent = Sharding(dimensions: [[AxisReference(axis: 5, preSize: 1, size: 2)]])
    #expect(!ShardingVerifier.faults(of: absent, in: mesh).isEmpty)
    let uneven = Sharding(dimensions: [[AxisReference(axis: 1, preSize: 1, size: 3)]])
    #expect(!ShardingVerifier.faults(of: uneven, in: mesh).isEmpty)
  }

  @Test func `a cluster whose levels do not nest is refused`() {
    var cluster = SyntheticCluster.cluster
    #expect(cluster.verify() == nil)
    cluster.levels[0].devices = nil
    #expect(cluster.verify() != nil)
    cluster = SyntheticCluster.cluster
    cluster.device.reserved = cluster.device.memory
    #expect(cluster.verify()?.place.contains("reserved_bytes") == true)
  }
}

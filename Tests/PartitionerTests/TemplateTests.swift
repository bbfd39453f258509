import Partitioner
import PlanIR
import TestSupport
import Testing

/// What a search prices from blocks lowered once for many meshes is what each plan's own lowering costs,
/// time to the picosecond and memory to the byte.
@Suite struct TemplateTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var isLlama = false
    var devices = 8
    var layout: LayoutName?
    var matmul: MatmulSchedule? = .gathered
    var zero: Int?
    var context = 1
    var pipeline = 1
    var recompute: Recomputation = .none

    var testDescription: String {
      "\(isLlama ? "llama" : "gpt2") on \(devices), layout \(layout?.rawValue ?? "any"), "
        + "\(matmul?.rawValue ?? "any") products, zero \(zero.map(String.init) ?? "any"), "
        + "context \(context), pipeline \(pipeline), recompute \(recompute.rawValue)"
    }
  }

  static let cases: [Case] = [
    Case(), Case(isLlama: true, devices: 12), Case(devices: 6, layout: .summa, matmul: .stepped),
    Case(isLlama: true, devices: 8, layout: .tesseract, matmul: .stepped),
    Case(isLlama: true, devices: 12, layout: .threeDimensional),
    Case(isLlama: true, layout: .stationary, zero: 3), Case(layout: .summa, context: 2),
    Case(isLlama: true, layout: .megatron, zero: 2, context: 2, pipeline: 2),
    Case(layout: .tesseract, pipeline: 2, recompute: .full),
  ]

  @Test(arguments: cases)
  func `every candidate costs what its own lowering does`(test: Case) throws {
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (96, 24, 4, 192)
    (sample.keyValueHeads, sample.layers) = (test.isLlama ? 6 : 24, 3)
    var pins = Pins()
    (pins.layout, pins.matmul, pins.zero) = (test.layout, test.matmul, test.zero)
    (pins.context, pins.pipeline, pins.recompute) = (test.context, test.pipeline, test.recompute)
    if test.layout == nil { pins.gathersWeights = .saved }
    let answer = Search.run(
      SearchRequest(
        training: try TrainingGraph(
          model: test.isLlama ? sample.llama() : sample.gpt2(),
          workload: Workload(globalBatch: 24, sequence: 16)),
        cluster: SyntheticCluster.cluster, devices: test.devices, pins: pins, exhaustive: true,
        keep: 400))
    #expect(answer.plans.count >= 20)
    #expect(Set(answer.plans.map(\.choices.mesh)).count > 1 || test.devices == 6)
    let wrong = answer.mispriced
    #expect(wrong.isEmpty, "\(wrong.count), \(wrong.first ?? "")")
  }
}

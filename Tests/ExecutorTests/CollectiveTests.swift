import Executor
import PlanIR
import Testing

/// The fabric's collectives one by one, by programs written by hand: load a sharded tensor, move it,
/// store the result as a gradient, and read that back whole.
@Suite struct CollectiveTests {
  private static let sizes = [4, 4, 8]
  private static let mesh = Mesh([MeshAxis("data", 2), MeshAxis("tensor", 4)])
  private static let stream: [Dimension] = [.batch, .sequence, .hidden]
  private let data = mesh.whole("data")
  private let tensor = mesh.whole("tensor")
  private let drawn = DrawnValues(seed: 3, name: "features", count: 128)

  /// Runs the collectives in order on the features, sharded as the first says.
  private func run(
    _ steps: [(Collective, over: [AxisReference], result: Sharding)], from first: Sharding,
    on mesh: Mesh = mesh, _ sizes: [Int] = sizes, _ features: DrawnValues? = nil
  ) throws -> (values: [Double], traffic: [RunResult.Traffic]) {
    func type(_ sharding: Sharding) -> TensorType {
      TensorType(
        dimensions: Self.stream, sizes: sizes, sharding: sharding, width: .mainGradient)
    }
    var buffers = [Buffer(name: "x", type: type(first), bufferClass: .transient)]
    var code: [Instruction] = [
      .allocate(0), .kernel(KernelCall(.operation(.features), reads: [], writes: [0])),
    ]
    for (token, step) in steps.enumerated() {
      let next = buffers.count
      buffers.append(Buffer(name: "x\(next)", type: type(step.result), bufferClass: .transient))
      code += [
        .allocate(next),
        .start(token, step.0, over: step.over, from: next - 1, into: next), .await(token),
        .free(next - 1),
      ]
    }
    let last = steps.last?.result ?? first
    buffers.append(
      Buffer(
        name: "g", type: type(last), bufferClass: .mainGradient,
        stored: .parameter(.mainGradient, "block/g")))
    code += [
      .kernel(KernelCall(.copy, reads: [buffers.count - 2], writes: [buffers.count - 1])),
      .free(buffers.count - 2),
    ]
    let result = try MeshRun.run(
      program(buffers, code, type(last), on: mesh, sizes), weights: RandomWeights(seed: 1),
      batch: HostBatch(tokens: [], labels: [], features: features ?? drawn),
      settings: RunSettings(dtype: .float64))
    return (try #require(result.tensors["grad.block/g"]), result.traffic)
  }

  private func program(
    _ buffers: [Buffer], _ code: [Instruction], _ type: TensorType, on mesh: Mesh, _ sizes: [Int]
  ) -> Program {
    let position = BlockPosition(segment: 0, layer: 0, block: 0)
    let parameter = StoredParameter(
      name: "block/g", segment: 0, repetitions: 1,
      parameter: Parameter(
        name: "g", dimensions: Self.stream, initial: .bias, checkpoint: CheckpointSlice("g")),
      type: type, unpaddedSizes: sizes, unreduced: [],
      parts: [.weight, .mainGradient])
    let stored = [ParameterPart.mainGradient, .weight].map { part in
      Buffer(
        name: "g", type: type, bufferClass: part.bufferClass, stored: .parameter(part, "block/g"))
    }
    let call = KernelCall(
      .update(.sgd), reads: [0], writes: [1], accumulate: true, site: "block/g")
    let update = Body(
      name: "block.optimize", blockClass: .mlp, phase: .optimize, buffers: stored,
      instructions: [.kernel(call)])
    return Program(
      mesh: mesh, precision: .fp32, optimizer: .sgd, dropout: 0, globalBatch: sizes[0],
      sequence: sizes[1], microBatch: sizes[0] / (mesh.axis("data")?.size ?? 1), microBatches: 1,
      vocabulary: 1, parameters: [parameter],
      bodies: [
        Body(
          name: "block.forward", blockClass: .mlp, phase: .forward, buffers: buffers,
          instructions: code), update,
      ],
      stages: [
        Stage(
          layers: [0..<1],
          calls: [
            Call(body: 0, phase: .forward, position: position, microBatch: 0),
            Call(body: 1, phase: .optimize, position: position, microBatch: 0),
          ])
      ], chain: [position])
  }

  private func sharding(
    _ batch: [AxisReference], _ sequence: [AxisReference], _ hidden: [AxisReference]
  ) -> Sharding { Sharding(dimensions: [batch, sequence, hidden]) }

  @Test func `an all-to-all moves a split from one dimension to another, and back`() throws {
    let (rows, columns) = (sharding(data, tensor, []), sharding(data, [], tensor))
    let there = Collective.allToAll(split: .hidden, concatenate: .sequence)
    let back = Collective.allToAll(split: .sequence, concatenate: .hidden)
    for steps in [
      [(there, over: tensor, result: columns)],
      [(there, over: tensor, result: columns), (back, over: tensor, result: rows)],
    ] {
      let (values, traffic) = try run(steps, from: rows)
      #expect(values == drawn.all)
      // Two groups; each device holds 128 / 8 elements of 4 bytes, and 3 of 4 parts leave it.
      #expect(traffic.map(\.bytes) == [steps.count * 2 * 16 * 3 * 4])
    }
  }

  @Test func `all-gather and slices of a minor axis keep the order of parts`() throws {
    let both = sharding(data, tensor, [])
    let (values, traffic) = try run(
      [(.allGather(.sequence), over: tensor, result: sharding(data, [], []))], from: both)
    #expect(values == drawn.all)
    #expect(traffic.map(\.bytes) == [2 * 64 * 3 * 4])
  }

  @Test(arguments: [0, 1])
  func `a broadcast gives every member the root's part`(root: Int) throws {
    let rows = sharding(data, [], [])
    let (values, traffic) = try run(
      [(.broadcast(root: DeviceExpression(root)), over: data, result: rows)], from: rows)
    let part = Array(drawn.all[root * 64..<(root + 1) * 64])
    #expect(values == part + part)
    #expect(traffic.map(\.bytes) == [4 * 64 * 4])
  }

  @Test(arguments: [0, 1])
  func `a reduce gives the root the sum`(root: Int) throws {
    let rows = sharding(data, [], [])
    let (values, traffic) = try run(
      [(.reduce(root: DeviceExpression(root), .sum), over: data, result: rows)], from: rows)
    let all = drawn.all
    let sum = (0..<64).map { all[$0] + all[$0 + 64] }
    #expect(Array(values[root * 64..<(root + 1) * 64]) == sum)
    #expect(traffic.map(\.bytes) == [4 * 64 * 4])
  }

  @Test(arguments: [1, 2, 3, -1])
  func `a permutation hands each part on along its axis, round the end`(shift: Int) throws {
    let columns = sharding([], tensor, [])
    let (values, traffic) = try run(
      [(.permute(shift: shift), over: tensor, result: columns)], from: columns)
    let all = drawn.all
    for batch in 0..<4 {
      for row in 0..<4 {
        let source = (row - shift + 8) % 4
        let expected = all[(batch * 4 + source) * 8..<(batch * 4 + source + 1) * 8]
        #expect(values[(batch * 4 + row) * 8..<(batch * 4 + row + 1) * 8] == expected)
      }
    }
    #expect(traffic.map(\.bytes) == [8 * 32 * 4])
  }

  @Test func `reduce-scatter and all-reduce add what the members hold`() throws {
    let copies = sharding([], [], []).with(unreduced: tensor)
    let sums = drawn.all.map { 4 * $0 }
    let scattered = try run(
      [(.reduceScatter(.hidden, .sum), over: tensor, result: sharding([], [], tensor))],
      from: copies)
    #expect(scattered.values == sums)
    let whole = try run(
      [(.allReduce(.sum), over: tensor, result: sharding([], [], []))], from: copies)
    #expect(whole.values == sums)
    let largest = try run(
      [(.allReduce(.maximum), over: tensor, result: sharding([], [], []))], from: copies)
    #expect(largest.values == drawn.all)
  }

  @Test func `chunks of a flattened part are uneven, summed in order, and gathered whole`() throws {
    // Chunks of 3, 3 and 4 elements.
    let mesh = Mesh([MeshAxis("tensor", 3)])
    let axes = mesh.whole("tensor")
    let sizes = [1, 2, 5]
    let whole = Sharding(dimensions: [[], [], []])
    let partial = whole.with(unreduced: axes)
    let chunks = whole.with(chunks: axes)
    let drawn = DrawnValues(seed: 5, name: "features", count: 10)
    let steps: [(Collective, Sharding)] = [(.scatterChunks(.sum), chunks), (.gatherChunks, whole)]
    for length in 1...2 {
      let (values, traffic) = try run(
        steps.prefix(length).map { ($0.0, over: axes, result: $0.1) }, from: partial, on: mesh,
        sizes, drawn)
      #expect(values == drawn.all.map { 3 * $0 }, "\(length) steps")
      // 10 elements cross twice for each collective, whatever the chunks.
      #expect(traffic.map(\.bytes).reduce(0, +) == length * 10 * 2 * 4)
    }
  }
}

import PlanIR

/// A group of blocks at one batch, its communication under each of several placements.
struct PricedGroup {
  let blocks: [ProfiledBlock]
  /// By block, then placement.
  private let times: [[BlockTime]]

  /// What a block takes of every micro-batch, and once a step.
  private struct BlockTime {
    let forward: BodyTime
    let backward: BackwardTime
    let once: OnceBound

    /// Of `block`, `time` saying what sending takes.
    init(_ block: ProfiledBlock, _ cost: ClusterCost, _ time: (ProfiledBlock.Use) -> Picoseconds) {
      func body(_ pass: ProfiledBlock.Pass) -> BodyTime {
        var body = BodyTime(kernels: pass.kernels)
        for use in pass.uses {
          body.add(time(use), ofShards: use.isOfShards && cost.overlapsGradients)
        }
        return body
      }
      forward = body(block.forward)
      backward = BackwardTime(
        inputGradient: body(block.inputGradient), weightGradient: body(block.weightGradient))
      var once = OnceBound(time: block.onceAStep.kernels)
      for use in block.onceAStep.uses { once.add(time(use), use.pattern, cost) }
      self.once = once
    }

    /// All of a micro-batch.
    var everyMicroBatch: Picoseconds {
      forward.all + backward.inputGradient.all + backward.weightGradient(isSplit: false)
    }
  }

  init(_ group: LoweredGroup, units: Int, network: NetworkTable) {
    self.init(
      group.profiles.map { $0.priced(units, network.costs[0]) }, group.axes, network: network)
  }

  /// Blocks at one batch that communicate over the `axes`.
  init(_ blocks: [ProfiledBlock], _ axes: [[AxisReference]], network: NetworkTable) {
    let routes = network.costs.map { cost in axes.map { cost.route(over: $0) } }
    times = blocks.map { block in
      zip(network.costs, routes).map { cost, routes in
        BlockTime(block, cost) { use in
          routes[use.route].time(use.pattern, bytes: use.bytes, width: use.width) * use.count
        }
      }
    }
    self.blocks = blocks
  }

  /// What block `index` takes of a step of `microBatches` in one layer, under placement `placement`, but for
  /// gradients that are reduced beside the last backward pass.
  func time(_ index: Int, microBatches: Int, placement: Int) -> Picoseconds {
    let time = times[index][placement]
    return time.everyMicroBatch * microBatches + time.once.time
  }

  /// The last backward pass of its blocks in one layer, and the gradients that are reduced beside it.
  func backward(placement: Int) -> [BackwardWork] {
    times.map {
      BackwardWork(
        kernels: $0[placement].backward.free(isSplit: false),
        reductions: $0[placement].once.reductions)
    }
  }

  /// What the group takes of a step under placement `placement`, where `layers` says how many layers
  /// have each block.
  func time(layers: [Int], microBatches: Int, placement: Int) -> Picoseconds {
    blocks.indices.reduce(.zero) { sum, index in
      sum + time(index, microBatches: microBatches, placement: placement) * layers[index]
    }
  }
}

/// The costs of a mesh under each of its placements; those that route all alike are told once.
struct NetworkTable {
  let placements: [[AxisPlacement]]
  let costs: [ClusterCost]
  private let table: RouteTable

  /// What the groups over which `group` communicates meet, by placement.
  func routes(_ group: LoweredGroup) -> PlacedRoutes {
    PlacedRoutes(group.axes.map(table.routes), Array(costs.indices))
  }

  /// Every placement of `mesh`.
  init(_ request: SearchRequest, mesh: Mesh) {
    self.init(
      request, mesh, Placement.all(mesh, perNode: request.cluster.devicesPerNode))
  }

  /// Devices numbered as `mesh` numbers them, alone, `fill` on a node.
  init(asNumbered request: SearchRequest, mesh: Mesh, fill: Int) {
    self.init(request, mesh, [Placement.innermostFirst(mesh, perNode: fill)])
  }

  private init(_ request: SearchRequest, _ mesh: Mesh, _ placements: [[AxisPlacement]]) {
    self.placements = placements
    let rates = ClusterRates(
      request.cluster, request.training.workload.precision, request.timings,
      devices: mesh.deviceCount)
    costs = placements.map { ClusterCost(rates, mesh: mesh, placement: $0) }
    table = RouteTable(costs)
  }
}

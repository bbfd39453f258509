import PlanIR

/// What is kept, sharded and looped over, and in which order micro-batches go.
extension CandidateSpace {
  /// Sets of axes over which weights may be sharded, each with what is sharded over data.
  func shards(_ choices: PlanChoices) -> [ShardedWeights] {
    guard let layout = try? LayoutCatalog.layout(choices.layout) else { return [] }
    let hasData = choices.mesh.axis("data") != nil
    return weightsOver(layout, choices.mesh).flatMap { over -> [ShardedWeights] in
      let zeros =
        pins.zero.map { [$0] }
        ?? (over.contains("data") ? [3] : over.isEmpty && hasData ? [0, 1, 2] : [0])
      return zeros.map { ShardedWeights(over: over, zero: $0, choices) }
    }.filter { $0.zero != pins.exclusions.zero && !coincides($0, choices) }
  }

  /// Sets of axes over which weights may be sharded beside their own. A pinned layout is taken as it
  /// is known, with weights copied over the axes that it copies them over, unless zero 3 is pinned.
  private func weightsOver(_ layout: any Layout, _ mesh: Mesh) -> [[String]] {
    var sets: [[String]] = [[]]
    if mesh.axis("data") != nil {
      switch pins.zero {
      case nil: sets.append(["data"])
      case 3: sets = [["data"]]
      default: break
      }
    }
    let isOpen = pins.zero == 3 || (pins.zero == nil && pins.layout == nil)
    for name in layout.copyAxes where mesh.axis(name) != nil && isOpen {
      sets += sets.map { $0 + [name] }
    }
    return sets
  }

  /// Products gathered whole, or in panels; the first is never slower.
  func matmuls(_ layout: any Layout, _ shape: LayoutShape) -> [MatmulSchedule] {
    let hasPanels = layout.hasPanels && shape.degrees[0] * shape.degrees[1] > 1
    if let pinned = pins.matmul { return pinned == .gathered || hasPanels ? [pinned] : [] }
    let panels =
      hasPanels ? leastCommonMultiple(shape.degrees[0], shape.degrees[1]) : 1
    return hasPanels && panels <= Self.mostPanels ? MatmulSchedule.allCases : [.gathered]
  }

  /// Whether `choices` may be looped over in panels, too.
  func mayStep(_ choices: PlanChoices, _ shape: LayoutShape) -> Bool {
    guard choices.matmul == .gathered, let layout = try? LayoutCatalog.layout(choices.layout)
    else { return false }
    return matmuls(layout, shape).contains(.stepped)
  }

  /// Panels of the longest loops that are searched unless stepped matmuls are pinned: beyond, latency
  /// is most of a loop's time.
  private static let mostPanels = 32

  // MARK: - Schedules

  /// Chunks of a stage at most, unless pinned: beyond, less than a sixty-fourth of the bubble without them is left.
  private static let mostChunks = 64

  /// Schedules of `stages` with chunks a stage: as pinned, else all that `microBatches` can run.
  func orders(stages: Int, microBatches: Int) -> [(PipelineSchedule, interleave: Int)] {
    guard stages > 1 else { return [(.none, 1)] }
    return schedules.flatMap { schedule in
      (chunks(schedule, stages: stages, microBatches: microBatches).map(Array.init) ?? [])
        .map { (schedule, $0) }
    }
  }

  /// Whether schedules of `stages` are interleaved: of some, of others, of both.
  func interleaves(stages: Int, microBatches: Int) -> [Bool] {
    guard stages > 1 else { return [false] }
    var (hasWhole, hasInterleaved) = (false, false)
    for schedule in schedules {
      guard let chunks = chunks(schedule, stages: stages, microBatches: microBatches) else {
        continue
      }
      if chunks.lowerBound == 1 { hasWhole = true }
      if chunks.upperBound > 1 { hasInterleaved = true }
    }
    return (hasWhole ? [false] : []) + (hasInterleaved ? [true] : [])
  }

  /// Schedules of several stages that `pins` leave.
  static func schedules(_ pins: Pins) -> [PipelineSchedule] {
    if let pinned = pins.schedule { return [pinned] }
    if (pins.interleave ?? 1) > 1 { return [.interleaved] }
    return [.oneForwardOneBackward, .interleaved, .zeroBubble, .gpipe]
      .filter { $0 != pins.exclusions.schedule }
  }

  /// How many chunks a stage may have; nil where the schedule cannot be.
  private func chunks(
    _ schedule: PipelineSchedule, stages: Int, microBatches: Int
  ) -> ClosedRange<Int>? {
    let pinned = pins.interleave.map { $0...$0 }
    guard schedule == .interleaved else { return pinned ?? 1...1 }
    if let pinned { return pinned }
    let most = training.layers / stages
    if pins.schedule == nil && (most < 2 || microBatches % stages != 0) { return nil }
    return 2...max(2, min(most, Self.mostChunks))
  }

  /// Why nothing is left where nothing else says so.
  func nothingDivides() -> ConstraintViolation {
    if pins.matmul == .stepped {
      return ConstraintViolation(
        constraint: "stepped matmuls loop over the panels of a layout that has some",
        found: "layout \(pins.layout?.rawValue ?? "of one device")",
        needed: "summa or tesseract on more than one device of rows and columns",
        remedy: "--layout summa, or --matmul gathered")
    }
    if pins.sequenceParallel == true {
      return ConstraintViolation(
        constraint: "sequence parallelism splits the stream of a layout that keeps it whole",
        found: "layout \(pins.layout?.rawValue ?? "of one device")",
        needed: "megatron or stationary", remedy: "--layout megatron, or --no-sequence-parallel")
    }
    return ConstraintViolation(
      constraint: "data x tensor = devices", found: "no split of \(request.devices) is left",
      needed: "a layout for it", remedy: "fewer pins")
  }
}

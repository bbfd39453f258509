package import PlanIR

/// Reads the flags with which Megatron-LM is launched, with the meaning and the defaults of its
/// `megatron/training/arguments.py`.
package enum MegatronLaunch {
  /// What `line` says of a run of `model`: a whole command or its flags.
  ///
  /// - Throws: ``LaunchError`` where a value cannot be, flags contradict each other or the model.
  package static func read(_ line: String, model: Model) throws(LaunchError) -> LaunchReading {
    let words = try ShellWords.split(line)
    // The launcher's words end with the script's name; later scripts are values of flags, or other commands.
    let script = words.firstIndex { $0.hasSuffix(".py") && !$0.hasPrefix("--") }
    let launcher = script.map { Array(words[..<$0]) } ?? []
    let own = words[(script.map { $0 + 1 } ?? 0)...]
    let rest = own.drop { script == nil && !$0.hasPrefix("--") }
    let end = rest.firstIndex { separators.contains($0) } ?? rest.endIndex
    var reader = MegatronReader(
      flags: LaunchFlags(Array(rest[..<end])), launcher: LaunchFlags(launcher), model: model)
    if end < rest.endIndex {
      reader.note("what follows \(rest[end].quoted()) is another command, and is not read")
    }
    if rest.count < own.count {
      let before = own.prefix(own.count - rest.count).map { $0.quoted() }
      reader.note("what stands before the first flag is not read: \(before.joined(separator: " "))")
    }
    return try reader.read()
  }

  /// What ends a command in a shell, where it stands by itself.
  private static let separators: Set<String> = [";", "&", "&&", "|", "||", "|&"]
}

/// One launch being read.
struct MegatronReader {
  var flags: LaunchFlags
  var launcher: LaunchFlags
  let model: Model
  var reading = LaunchReading(LaunchConfiguration(.megatron))

  mutating func read() throws(LaunchError) -> LaunchReading {
    try readDegrees()
    try readStages()
    try readWorkload()
    try readRecomputation()
    try readSharding()
    try checkOverlap()
    try checkModel()
    try readLauncher()
    noteContext()
    sortRest()
    return reading
  }

  private mutating func readDegrees() throws(LaunchError) {
    try refuse("--model-parallel-size", use: "--tensor-model-parallel-size")
    try refuse("--batch-size", use: "--micro-batch-size")
    reading.configuration.tensor = try flags.integer("--tensor-model-parallel-size") ?? 1
    reading.configuration.pipeline = try flags.integer("--pipeline-model-parallel-size") ?? 1
    reading.configuration.context = try flags.integer("--context-parallel-size") ?? 1
    reading.configuration.microBatch = try flags.integer(
      "--micro-batch-size", in: 1...PlanLimits.sequences)
    reading.configuration.stagesBeforeData = flags.flag("--use-tp-pp-dp-mapping")
    let isParallel = flags.flag("--sequence-parallel")
    reading.configuration.sequenceParallel = isParallel
    if isParallel && reading.configuration.tensor == 1 {
      note("--sequence-parallel changes nothing with a tensor degree of 1, as in Megatron")
    }
    try readContextAttention()
  }

  private static let communications = ["p2p", "a2a", "allgather", "a2a+p2p"]

  /// Megatron's default is the ring. Its other forms are priced as the nearer of the two there are.
  private mutating func readContextAttention() throws(LaunchError) {
    let given = flags.list("--cp-comm-type") ?? []
    if let unknown = given.first(where: { !Self.communications.contains($0) }) {
      throw LaunchError(
        "--cp-comm-type", expected: Self.communications.joined(separator: ", "), found: unknown,
        remedy: "give one of them")
    }
    let communication = given.first ?? "p2p"
    if communication == "a2a+p2p" || communication == "allgather" {
      reading.configuration.written.contextAttention = "--cp-comm-type \(communication)"
    }
    reading.configuration.contextAttention = communication == "a2a" ? .allToAll : .ring
    guard reading.configuration.context > 1 else { return }
    if communication == "a2a+p2p",
      !flags.names.contains("--hierarchical-context-parallel-sizes")
    {
      throw LaunchError(
        "--cp-comm-type a2a+p2p", expected: "--hierarchical-context-parallel-sizes beside it",
        found: "none", remedy: "add the sizes of both levels")
    }
    if Set(given).count > 1 {
      note(
        "--cp-comm-type differs from layer to layer: all are priced as the first, \(communication)")
    }
    if communication != "a2a" && communication != "p2p" {
      note("--cp-comm-type \(communication) is priced as p2p, a ring of keys and values")
    }
  }

  private mutating func readStages() throws(LaunchError) {
    let layers = try flags.integer("--num-layers-per-virtual-pipeline-stage")
    let chunks = try flags.integer("--num-virtual-stages-per-pipeline-rank")
    if let layers, chunks != nil {
      throw LaunchError(
        "--num-layers-per-virtual-pipeline-stage",
        expected: "no --num-virtual-stages-per-pipeline-rank beside it", found: "both",
        remedy: "drop one of them (\(layers) layers a chunk)")
    }
    reading.configuration.chunks =
      layers.map { .layers($0) } ?? chunks.map { $0 > 1 ? .count($0) : .one } ?? .one
    // One chunk of all layers is none.
    if reading.configuration.pipeline == 1 && layers == model.layers {
      reading.configuration.chunks = .one
    }
    if reading.configuration.chunks != .one && reading.configuration.pipeline == 1 {
      throw LaunchError(
        layers == nil
          ? "--num-virtual-stages-per-pipeline-rank" : "--num-layers-per-virtual-pipeline-stage",
        expected: "--pipeline-model-parallel-size 2 or more", found: "1",
        remedy: "drop the flag, or add stages")
    }
    reading.configuration.firstStageLayers =
      try flags.integer(
        anyOf: ["--decoder-first-pipeline-num-layers", "--num-layers-in-first-pipeline-stage"])
    reading.configuration.lastStageLayers =
      try flags.integer(
        anyOf: ["--decoder-last-pipeline-num-layers", "--num-layers-in-last-pipeline-stage"])
    reading.configuration.countsEmbedding = flags.flag("--account-for-embedding-in-pipeline-split")
    reading.configuration.countsHead = flags.flag("--account-for-loss-in-pipeline-split")
    try checkEnds()
  }

  /// Megatron's `get_num_layers_to_build` takes the ends' layers as given, or as counted, not both.
  private func checkEnds() throws(LaunchError) {
    let configuration = reading.configuration
    guard configuration.countsEmbedding || configuration.countsHead,
      configuration.firstStageLayers != nil || configuration.lastStageLayers != nil
    else { return }
    throw LaunchError(
      configuration.countsEmbedding
        ? "--account-for-embedding-in-pipeline-split" : "--account-for-loss-in-pipeline-split",
      expected: "no layers of the first or the last stage beside it", found: "both",
      remedy: "drop one of them")
  }

  private mutating func readRecomputation() throws(LaunchError) {
    try refuse("--checkpoint-activations", use: "--recompute-activations")
    let isSelective = flags.flag("--recompute-activations")
    if isSelective { reading.configuration.written.recompute = "--recompute-activations" }
    let granularity = try flags.choice("--recompute-granularity", of: ["full", "selective"])
    let method = try flags.choice("--recompute-method", of: ["uniform", "block"])
    let layers = try flags.integer("--recompute-num-layers")
    switch isSelective ? "selective" : granularity {
    case "selective":
      if let method {
        throw LaunchError(
          "--recompute-method", expected: "--recompute-granularity full beside it",
          found: "selective with \(method)", remedy: "drop --recompute-method")
      }
      reading.configuration.recompute = .selective
      readModules()
      if layers != nil {
        note("--recompute-num-layers changes nothing beside selective; newer Megatron refuses it")
      }
    case "full": try readFull(method, layers)
    default:
      if method != nil || layers != nil {
        note("--recompute-method and --recompute-num-layers change nothing without a granularity")
      }
    }
  }

  /// What selective recomputation is of: the core of attention, unless the launch says otherwise.
  private mutating func readModules() {
    let core = "core_attn"
    let modules = flags.list("--recompute-modules") ?? [core]
    let others = modules.filter { $0 != core }
    guard !others.isEmpty else { return }
    let isFused = reading.configuration.workload.attention == .fused
    if isFused || others.count == modules.count { reading.configuration.recompute = .none }
    reading.configuration.written.recompute =
      "--recompute-granularity selective --recompute-modules \(modules.joined(separator: " "))"
    reading.unpriced.append(
      "--recompute-modules \(others.joined(separator: " ")) (priced as kept)")
  }

  private mutating func readFull(_ method: String?, _ layers: Int?) throws(LaunchError) {
    guard let method else {
      throw LaunchError(
        "--recompute-granularity full", expected: "--recompute-method uniform or block",
        found: "none", remedy: "add --recompute-method uniform --recompute-num-layers 1")
    }
    if method == "block" {
      guard let layers else {
        throw LaunchError(
          "--recompute-method block", expected: "--recompute-num-layers", found: "none",
          remedy: "say how many layers of a stage are recomputed")
      }
      reading.configuration.recompute = .block(layers)
      return
    }
    reading.configuration.recompute = .full
    if layers == nil {
      note("no --recompute-num-layers: 1; newer Megatron asks for it")
    }
    if let layers, layers > 1 {
      note("--recompute-num-layers \(layers) is priced as 1: each layer keeps its input")
      reading.configuration.written.recompute =
        "--recompute-granularity full --recompute-method uniform --recompute-num-layers \(layers)"
    }
  }

  /// Devices as the launcher counts them; a range of nodes, or a variable, leaves them open.
  private mutating func readLauncher() throws(LaunchError) {
    let perNode = try count(["--nproc_per_node", "--nproc-per-node"])
    let nodes = try count(["--nnodes"])
    guard case .number(let each)? = perNode else { return }
    switch nodes {
    case .open: return
    case .number(let count):
      if count > 1 { reading.devicesPerNode = each }
      let (product, overflow) = each.multipliedReportingOverflow(by: count)
      reading.devices = overflow ? nil : product
    case nil: reading.devices = each
    }
  }

  /// What a launcher's flag counts.
  private enum Count {
    case number(Int)
    /// A range, a variable, or a word like `gpu`.
    case open
  }

  private mutating func count(_ names: [String]) throws(LaunchError) -> Count? {
    var found: Count?
    for name in names {
      let (first, second) = (try launcher.text(name), try flags.text(name))
      guard let text = first ?? second else { continue }
      if let number = Int(text), number > 0 {
        found = .number(number)
      } else {
        note("\(name) \(text.quoted()) is no number: devices are not checked against it")
        found = .open
      }
    }
    return found
  }

  /// What was not read: known to change nothing, known and not priced, not known.
  private mutating func sortRest() {
    for name in launcher.names where !launcher.taken.contains(name) {
      reading.ignored.append(name)
    }
    for name in flags.names where !flags.taken.contains(name) {
      if MegatronFlagTable.isUnpriced(name) {
        reading.unpriced.append(name)
      } else if MegatronFlagTable.isIrrelevant(name) {
        reading.ignored.append(name)
      } else {
        reading.unknown.append(name)
      }
    }
    let variables = launcher.loose.filter { $0.hasPrefix("$") }
    reading.unknown += (variables + flags.loose).map { $0.quoted() }
  }

  private mutating func refuse(_ name: String, use other: String) throws(LaunchError) {
    guard flags.names.contains(name) else { return }
    throw LaunchError(
      name, expected: other, found: "a flag that Megatron no longer takes",
      remedy: "use \(other)")
  }

  mutating func note(_ text: String) { reading.notes.append(text) }
}

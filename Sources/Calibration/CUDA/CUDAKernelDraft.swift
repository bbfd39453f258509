import Kernels
import PlanIR

/// A kernel call on its way to launches: sizes follow from the types of its buffers and the first device's
/// place in the mesh, as ``CUDAKernel`` says.
struct CUDAKernelDraft {
  let call: KernelCall
  let body: Body
  let program: Program
  let dtype: DType
  let reads: [TensorType]
  let writes: [TensorType]
  private(set) var operands: [CUDAOperand] = []
  private(set) var tables: [Int: [Float]] = [:]
  /// The places of what is read and of what is written among ``operands``.
  private(set) var readPlaces: [Int] = []
  private(set) var writePlaces: [Int] = []

  init(_ call: KernelCall, in body: Body, of program: Program, dtype: DType) {
    (self.call, self.body, self.program, self.dtype) = (call, body, program, dtype)
    reads = call.reads.map { body.buffers[$0].type }
    writes = call.writes.map { body.buffers[$0].type }
    var places: [BufferID: Int] = [:]
    for buffer in call.reads + call.writes where places[buffer] == nil {
      places[buffer] = operands.count
      let type = body.buffers[buffer].type
      operands.append(
        .init(
          dtype: Self.held(type.width, dtype),
          count: type.chunk(on: Self.device, in: program.mesh).count))
    }
    readPlaces = call.reads.map { places[$0, default: 0] }
    writePlaces = call.writes.map { places[$0, default: 0] }
  }

  /// The device whose part is measured.
  static let device = 0

  /// The type in which a value of `width` is held beside activations of `dtype`.
  private static func held(_ width: ValueWidth, _ dtype: DType) -> DType {
    switch width {
    case .index: .int64
    case .mask: .uint8
    case .activation, .weight, .mainGradient, .masterWeight, .moment, .statistic:
      Precision.mixed.bytes(of: width) == 2 ? dtype : .float32
    }
  }

  /// The type that the call's time is kept under.
  var timedType: DType {
    switch call.kind {
    case .copy, .slice, .panel, .place, .zero: operands[writePlaces[0]].dtype
    case .operation, .attentionStep, .attentionGradientStep, .load, .update: dtype
    }
  }

  /// Adds an operand that holds `values` whenever the kernel runs, and returns its place.
  mutating func addTable(_ values: [Float]) -> Int {
    operands.append(.init(dtype: .float32, count: values.count))
    tables[operands.count - 1] = values
    return operands.count - 1
  }

  /// What does the call's work; nil of what is no kernel here.
  mutating func launches() -> [CUDALaunch]? {
    switch call.kind {
    case .operation(let kind): operationLaunches(kind)
    case .copy:
      [
        launch(
          .copy, readPlaces + writePlaces, .elements(count(writePlaces[0])),
          [.integer(count(writePlaces[0]))], [("ACCUMULATE", call.accumulate)])
      ]
    case .zero: [zeroLaunch(writePlaces[0])]
    case .slice, .panel, .place: blockCopy().map { [$0] }
    case .update(let optimizer): [update(optimizer)]
    case .attentionStep, .attentionGradientStep, .load: nil
    }
  }

  /// Elements of the operand at `place`.
  func count(_ place: Int) -> Int { operands[place].count }

  /// A launch of `source` on the operands at `places`, in the order of its pointers. A null pointer is of
  /// the type of the pointer before.
  func launch(
    _ source: CUDAKernelSource, _ places: [Int?], _ grid: CUDAGrid, _ scalars: [CUDALaunch.Scalar],
    _ flags: [(String, Bool)] = []
  ) -> CUDALaunch {
    launch(source, places, grid, scalars, constants: flags.map { ($0, $1 ? 1 : 0) })
  }

  /// A launch with constants that are no flags.
  func launch(
    _ source: CUDAKernelSource, _ places: [Int?], _ grid: CUDAGrid, _ scalars: [CUDALaunch.Scalar],
    constants: [(String, Int)]
  ) -> CUDALaunch {
    var types: [DType] = []
    for place in places { types.append(place.map { operands[$0].dtype } ?? types.last ?? .float32) }
    return CUDALaunch(
      source: source, types: types, constants: constants.map { .init(name: $0, value: $1) },
      operands: places, scalars: scalars, blocks: grid.blocks, threads: grid.threads)
  }

  /// Zeros in the operand at `place`.
  func zeroLaunch(_ place: Int) -> CUDALaunch {
    launch(.zero, [place], .elements(count(place)), [.integer(count(place))])
  }

  private func update(_ optimizer: Optimizer) -> CUDALaunch {
    let hasMaster = writePlaces.count > optimizer.momentCount + 1
    let (weight, master) = (writePlaces[0], hasMaster ? writePlaces[1] : nil)
    let places = [readPlaces[0], weight, master] + writePlaces.suffix(optimizer.momentCount)
    let elements = count(weight)
    let scalars: [Float]
    let settings = AdamWSettings()
    switch optimizer {
    case .sgd: scalars = [Float(settings.learningRate)]
    case .adamw: scalars = Self.rates(settings)
    }
    return launch(
      optimizer == .sgd ? .sgd : .adamw, places, .elements(elements),
      [.integer(elements)] + scalars.map { .real($0) }, [("MASTER", hasMaster)])
  }

  /// The constants of a first step, in the order of the kernel's arguments.
  private static func rates(_ settings: AdamWSettings) -> [Float] {
    [
      1 - settings.learningRate * settings.weightDecay, 1 - settings.beta1, settings.beta2,
      1 - settings.beta2, settings.learningRate / (1 - settings.beta1),
      (1 - settings.beta2).squareRoot(), settings.epsilon,
    ].map { Float($0) }
  }
}

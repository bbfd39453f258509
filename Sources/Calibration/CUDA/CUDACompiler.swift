/// The compiler of the device's kernels, and what it has compiled.
final class CUDACompiler {
  private let functions: CUDACompilerFunctions
  private let device: CUDADevice
  /// The compute capability times ten.
  private let capability: Int
  private var modules: [String: CUDAModule] = [:]

  /// NVRTC for `device`, through the library that is found along `path`.
  init(_ device: CUDADevice, along path: CUDASearchPath) throws(CUDAError) {
    self.device = device
    functions = try CUDACompilerFunctions(CUDALoader(.compiler, along: path))
    capability = try device.capability()
  }

  /// The compiler's version, `12.4`.
  func version() throws(CUDAError) -> String {
    var (major, minor): (Int32, Int32) = (0, 0)
    try functions.check(functions.version(&major, &minor), "nvrtcVersion")
    return "\(major).\(minor)"
  }

  /// What `launch` starts, compiled once.
  func module(of launch: CUDALaunch) throws(CUDAError) -> CUDAModule {
    let program = launch.program
    if let module = modules[program] { return module }
    let code = try code(of: program, entry: launch.source.entry)
    let module = try CUDAModule(code, entry: launch.source.entry, on: device)
    modules[program] = module
    return module
  }

  /// Machine code of this very architecture: an older driver would not take the compiler's own.
  private func code(of text: String, entry: String) throws(CUDAError) -> [CChar] {
    var program: UnsafeMutableRawPointer?
    let made = text.withCString { functions.create(&program, $0, nil, 0, nil, nil) }
    try functions.check(made, "nvrtcCreateProgram")
    defer { _ = functions.destroy(&program) }
    try compile(program, entry: entry)
    var size = 0
    try functions.check(functions.codeSize(program, &size), "nvrtcGetCUBINSize")
    var code = [CChar](repeating: 0, count: size)
    try functions.check(functions.code(program, &code), "nvrtcGetCUBIN")
    return code
  }

  private func compile(
    _ program: UnsafeMutableRawPointer?, entry: String
  ) throws(CUDAError) {
    let architecture = "sm_\(capability)"
    // CUDA 11 would take an older language.
    let status = Self.withCStrings("--gpu-architecture=\(architecture)", "--std=c++17") {
      functions.compile(program, 2, $0)
    }
    switch status {
    case Self.compilation:
      throw .refusedSource(entry: entry, architecture: architecture, log: log(of: program))
    case Self.invalidOption:
      throw .failed(
        call: "nvrtcCompileProgram", name: "NVRTC_ERROR_INVALID_OPTION",
        explanation: "this version of NVRTC does not know \(architecture); name the folder of one "
          + "that does in TPPLAN_CUDA_LIBRARIES")
    default: try functions.check(status, "nvrtcCompileProgram")
    }
  }

  private static func withCStrings<Result>(
    _ first: String, _ second: String,
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
  ) -> Result {
    first.withCString { first in
      second.withCString { second in
        let both: [UnsafePointer<CChar>?] = [first, second]
        return both.withUnsafeBufferPointer { body($0.baseAddress) }
      }
    }
  }

  /// The first errors that the compiler told.
  private func log(of program: UnsafeMutableRawPointer?) -> String {
    var size = 0
    guard functions.logSize(program, &size) == 0, size > 0 else { return "no log" }
    var log = [CChar](repeating: 0, count: size)
    guard functions.log(program, &log) == 0 else { return "no log" }
    let bytes = log.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    return lines.prefix(3).joined(separator: "; ")
  }

  /// `NVRTC_ERROR_COMPILATION`.
  private static let compilation: Int32 = 6
  /// `NVRTC_ERROR_INVALID_OPTION`.
  private static let invalidOption: Int32 = 5
}

/// Code on the device, unloaded when it goes.
final class CUDAModule {
  private let device: CUDADevice
  private let module: UnsafeMutableRawPointer?
  private let function: UnsafeMutableRawPointer?

  /// Loads `code` and finds `entry` in it.
  init(_ code: [CChar], entry: String, on device: CUDADevice) throws(CUDAError) {
    self.device = device
    var module, function: UnsafeMutableRawPointer?
    try device.driver.check(device.driver.loadModule(&module, code), "cuModuleLoadData")
    let status = entry.withCString { device.driver.moduleFunction(&function, module, $0) }
    if status != 0 { _ = device.driver.unloadModule(module) }
    try device.driver.check(status, "cuModuleGetFunction \(entry)")
    (self.module, self.function) = (module, function)
  }

  deinit { _ = device.driver.unloadModule(module) }

  /// Starts `launch` with its pointers at `addresses`.
  func start(_ launch: CUDALaunch, at addresses: [UInt64]) throws(CUDAError) {
    var cells = launch.operands.map { $0.map { addresses[$0] } ?? 0 }
    cells += launch.scalars.map(\.cell)
    let (blocks, threads) = (UInt32(launch.blocks), UInt32(launch.threads))
    let status = cells.withUnsafeMutableBytes { cells in
      var pointers = stride(from: 0, to: cells.count, by: 8).map { offset in
        cells.baseAddress.map { $0 + offset }
      }
      return device.driver.launch(
        function, blocks, 1, 1, threads, 1, 1, 0, nil, &pointers, nil)
    }
    try device.driver.check(status, "cuLaunchKernel \(launch.source.entry)")
  }
}

extension CUDALaunch.Scalar {
  /// Eight bytes whose first are the argument: both machines are little-endian.
  package var cell: UInt64 {
    switch self {
    case .integer(let value): UInt64(bitPattern: Int64(value))
    case .real(let value): UInt64(value.bitPattern)
    }
  }
}

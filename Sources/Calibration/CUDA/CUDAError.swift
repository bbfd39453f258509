/// Why nothing can be measured on a GPU, or no more.
package enum CUDAError: Error, Hashable, Sendable {
  /// No file of a library could be opened; `reason` is the system's, of a file that is there.
  case missingLibrary(CUDALibrary, CUDASearchPath, reason: String?)
  /// A library in `file` has no function `name`: its version is not one that is known.
  case missingFunction(name: String, file: String)
  /// There is no GPU, or none that the environment shows.
  case noDevice
  /// The GPU has not `bytes` of memory left, or the system has not so much for the GPU to copy from.
  case outOfMemory(bytes: Int, call: String)
  /// A call of the driver, of cuBLAS or of the compiler failed; `name` is the error's.
  case failed(call: String, name: String, explanation: String)
  /// The compiler refused a kernel's source.
  case refusedSource(entry: String, architecture: String, log: String)

  /// The status a command ends with: 1 there is no answer on this machine, 70 a bug of ours.
  package var exitCode: Int32 {
    switch self {
    case .missingLibrary, .missingFunction, .noDevice, .outOfMemory, .failed: 1
    case .refusedSource: 70
    }
  }
}

extension CUDAError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missingLibrary(let library, let path, let reason):
      missing(library, path, reason)
    case .missingFunction(let name, let file):
      "\(file): expected the function \(name), which this version has not; install the CUDA "
        + "toolkit, 11.1 to 13, or name its folder in TPPLAN_CUDA_LIBRARIES"
    case .noDevice:
      "--cluster cuda: expected a GPU, the driver finds none; check nvidia-smi and "
        + "CUDA_VISIBLE_DEVICES, or calibrate this machine's cores with --cluster local"
    case .outOfMemory(let bytes, let call):
      "\(call): \(bytes) bytes for operands are refused: out of memory; free memory of the GPU; "
        + "what was measured is stored"
    case .failed(let call, let name, let explanation):
      "\(call): \(name)\(explanation.isEmpty ? "" : ": \(explanation)"); what was measured is "
        + "stored, another run goes on from there"
    case .refusedSource(let entry, let architecture, let log):
      "the kernel \(entry) does not compile for \(architecture): \(log)"
    }
  }

  private func missing(
    _ library: CUDALibrary, _ path: CUDASearchPath, _ reason: String?
  ) -> String {
    let places = path.places.map { place in
      switch place {
      case .folder(let folder): folder
      case .system: "the system's folders (LD_LIBRARY_PATH too)"
      }
    }
    return
      "--cluster cuda: no GPU can be measured: expected one of \(library.names.joined(separator: ", ")) in "
      + "\(places.joined(separator: ", ")), found "
      + (reason.map { "one that cannot be opened: \($0)" } ?? "none")
      + "; \(library.remedy), or name its folder in TPPLAN_CUDA_LIBRARIES"
  }
}

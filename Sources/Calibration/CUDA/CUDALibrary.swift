/// The libraries of NVIDIA's that are opened while the program runs; none is linked to.
///
/// | library | what for |
/// | --- | --- |
/// | libcuda | devices, memory, events and launches, by the driver API: libcudart is not used |
/// | libcublas | matrix products |
/// | libcublasLt | nothing by itself: libcublas needs it, and would not find it in a folder of its own |
/// | libnvrtc | compiles the kernels of ``CUDAKernelSource`` |
package enum CUDALibrary: String, Hashable, Sendable, CaseIterable {
  case driver = "libcuda"
  case blasLight = "libcublasLt"
  case blas = "libcublas"
  case compiler = "libnvrtc"

  /// File names, the newest version first.
  package var names: [String] {
    switch self {
    case .driver: [".so.1", ".so"].map { rawValue + $0 }
    case .blas, .blasLight: [".so.13", ".so.12", ".so.11", ".so"].map { rawValue + $0 }
    case .compiler:
      [".so.13", ".so.12", ".so.11.2", ".so.11.1", ".so.11.0", ".so"].map { rawValue + $0 }
    }
  }

  /// How it comes onto a machine.
  var remedy: String {
    switch self {
    case .driver: "install NVIDIA's driver for the GPU"
    case .blas, .blasLight, .compiler: "install the CUDA toolkit, 11.1 or later"
    }
  }
}

/// Where libraries are looked for, first in the first place.
package struct CUDASearchPath: Hashable, Sendable {
  /// A folder, or where the system looks for a name without one.
  package enum Place: Hashable, Sendable {
    case folder(String)
    /// The folders of `LD_LIBRARY_PATH` and those that the system's linker knows.
    case system
  }

  /// In the order of looking.
  package var places: [Place]

  /// A search of `places`.
  package init(places: [Place]) { self.places = places }

  /// The folders that `environment` names in `TPPLAN_CUDA_LIBRARIES`; then where the system looks; then
  /// the toolkit's folders: of `CUDA_HOME`, of `CUDA_PATH`, and the usual one.
  package init(environment: [String: String]) {
    let own = environment["TPPLAN_CUDA_LIBRARIES", default: ""].split(separator: ":")
    let homes = ["CUDA_HOME", "CUDA_PATH"].compactMap { environment[$0] } + ["/usr/local/cuda"]
    places = own.map { .folder(String($0)) } + [.system] + homes.map { .folder("\($0)/lib64") }
  }
}

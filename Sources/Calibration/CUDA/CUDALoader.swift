#if canImport(Glibc)
  import Glibc
#endif

/// A shared library that was opened while the program ran. It stays open until the program ends: NVIDIA's
/// libraries have threads of their own that would go on in code that is no more.
struct CUDALoader {
  /// The file's path or name, for messages.
  let file: String
  private let handle: UnsafeMutableRawPointer

  /// Opens the first file of `library` that is found along `path`.
  init(_ library: CUDALibrary, along path: CUDASearchPath) throws(CUDAError) {
    var reason: String?
    for place in path.places {
      for name in library.names {
        let file = place.file(name)
        if let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL) {
          (self.file, self.handle) = (file, handle)
          return
        }
        if access(file, F_OK) == 0 { reason = reason ?? Self.reason }
      }
    }
    throw .missingLibrary(library, path, reason: reason)
  }

  /// The function `name`, of the type that the caller's context gives.
  ///
  /// The type is taken on trust: the tables of functions are where names and types stand side by side.
  func function<Signature>(_ name: String) throws(CUDAError) -> Signature {
    guard let symbol = dlsym(handle, name) else {
      throw .missingFunction(name: name, file: file)
    }
    return unsafeBitCast(symbol, to: Signature.self)
  }

  /// What the system said last.
  private static var reason: String? { dlerror().map { String(cString: $0) } }
}

extension CUDASearchPath.Place {
  fileprivate func file(_ name: String) -> String {
    switch self {
    case .folder(let folder): "\(folder)/\(name)"
    case .system: name
    }
  }
}

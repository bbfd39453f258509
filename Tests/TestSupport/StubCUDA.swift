package import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// CUDA's libraries in a folder of their own, each of them the stub that the package builds
/// (`Tests/CUDAStub`), and the stub's controls.
package final class StubCUDA {
  /// The file names, one of each library.
  package static let names = [
    "libcuda.so.1", "libcublasLt.so.12", "libcublas.so.12", "libnvrtc.so.12",
  ]

  /// The folder.
  package let folder: URL
  private let handle: UnsafeMutableRawPointer

  /// A folder of all libraries but `missing`; those that `replaced` names are links to the files it gives.
  package init(without missing: Set<String> = [], replaced: [String: String] = [:]) throws {
    let stub = try Self.library()
    guard let handle = dlopen(stub, RTLD_NOW) else { throw Unusable(file: stub) }
    self.handle = handle
    defer { reset() }
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tpplan-cuda-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in Self.names where !missing.contains(name) {
      try FileManager.default.createSymbolicLink(
        atPath: folder.appendingPathComponent(name).path,
        withDestinationPath: replaced[name] ?? stub)
    }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Sets the stub's settings in this process to what is usual.
  package func reset() { (function("cudaStubReset") as @convention(c) () -> Void)() }

  /// Sets one of the stub's settings in this process.
  package func set(_ name: String, _ value: Int) {
    typealias Function = @convention(c) (UnsafePointer<CChar>, Int) -> Void
    name.withCString { (function("cudaStubSet") as Function)($0, value) }
  }

  /// Objects of the stub that exist: memory, events, modules, contexts, handles, programs.
  package var liveObjects: Int { count("cudaStubLiveObjects") }
  /// Programs that were compiled so far.
  package var compilations: Int { count("cudaStubCompilations") }

  private func count(_ name: String) -> Int {
    (function(name) as @convention(c) () -> Int)()
  }

  private func function<Signature>(_ name: String) -> Signature {
    guard let symbol = dlsym(handle, name) else { preconditionFailure("the stub has no \(name)") }
    return unsafeBitCast(symbol, to: Signature.self)
  }

  /// The file of a library that has nothing to do with CUDA: the C library that this process has open.
  package static func otherLibrary() throws -> String {
    let maps = FileHandle(forReadingAtPath: "/proc/self/maps")
    let text = String(decoding: try maps?.readToEnd() ?? Data(), as: UTF8.self)
    let files = text.split(separator: "\n").compactMap { $0.split(separator: " ").last }
    guard let file = files.first(where: { $0.hasSuffix("/libc.so.6") }) else {
      throw Unusable(file: "libc.so.6")
    }
    return String(file)
  }

  private struct Unusable: Error { var file: String }

  /// The library beside the test bundle, wherever that was built.
  private static func library() throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let bundles = ProcessInfo.processInfo.arguments.filter { $0.hasSuffix(".xctest") }
    for start in [own] + bundles {
      var folder = URL(fileURLWithPath: start)
      while folder.path != "/" {
        folder.deleteLastPathComponent()
        let library = folder.appendingPathComponent("libCUDAStub.so").path
        if FileManager.default.fileExists(atPath: library) { return library }
      }
    }
    throw Unusable(file: "libCUDAStub.so")
  }
}

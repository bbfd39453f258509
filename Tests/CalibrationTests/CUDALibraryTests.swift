import Calibration
import Foundation
import TestSupport
import Testing

extension CUDATests {
  /// Libraries that are not there, or not what they should be.
  @Suite("Opening CUDA's libraries")
  struct CUDALibraryTests {
    private static let needed: [(name: String, library: CUDALibrary, call: String)] = [
      ("libcuda.so.1", .driver, "cuInit"), ("libcublas.so.12", .blas, "cublasCreate_v2"),
      ("libnvrtc.so.12", .compiler, "nvrtcVersion"),
    ]

    private func error(_ stub: StubCUDA) throws -> CUDAError {
      let path = CUDASearchPath(places: [.folder(stub.folder.path)])
      return try #require(throws: CUDAError.self) {
        _ = try CUDACalibrator(along: path, origin: .sample)
      }
    }

    @Test(
      "A library that is missing is named, with its versions, where it was looked for, and a remedy"
    )
    func missing() throws {
      for (name, library, _) in Self.needed {
        let stub = try StubCUDA(without: [name])
        let error = try error(stub)
        let path = CUDASearchPath(places: [.folder(stub.folder.path)])
        #expect(error == .missingLibrary(library, path, reason: nil))
        #expect(error.exitCode == 1)
        for part in [name, stub.folder.path, "found none", "install", "TPPLAN_CUDA_LIBRARIES"] {
          #expect("\(error)".contains(part), "\(error)")
        }
      }
    }

    @Test("A library without a function that is needed is named with the function")
    func missingFunction() throws {
      for (name, _, call) in Self.needed {
        let stub = try StubCUDA(replaced: [name: StubCUDA.otherLibrary()])
        let file = "\(stub.folder.path)/\(name)"
        #expect(try error(stub) == .missingFunction(name: call, file: file))
      }
    }

    @Test("A file that is no library is named with what the system says of it")
    func noLibrary() throws {
      let stub = try StubCUDA(without: ["libcublas.so.12"])
      let file = stub.folder.appendingPathComponent("libcublas.so.12")
      try Data("no library".utf8).write(to: file)
      let text = "\(try error(stub))"
      #expect(text.contains("cannot be opened: \(file.path): "), "\(text)")
    }

    @Test("Folders of the environment come in their order, the system's places between")
    func order() {
      let path = CUDASearchPath(environment: [
        "TPPLAN_CUDA_LIBRARIES": "/a:/b", "CUDA_HOME": "/home", "CUDA_PATH": "/path",
      ])
      #expect(
        path.places == [
          .folder("/a"), .folder("/b"), .system, .folder("/home/lib64"), .folder("/path/lib64"),
          .folder("/usr/local/cuda/lib64"),
        ])
      #expect(
        CUDASearchPath(environment: [:]).places == [.system, .folder("/usr/local/cuda/lib64")])
    }
  }
}

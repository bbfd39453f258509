/// The entry points of libnvrtc that are used, as NVRTC's manual gives them from CUDA 11.1 on.
///
/// Every function returns an `nvrtcResult`, 0 for success, but for the one that names them.
struct CUDACompilerFunctions {
  typealias Program = UnsafeMutableRawPointer
  typealias Text = UnsafePointer<CChar>?

  let version: @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
  let errorText: @convention(c) (Int32) -> Text
  let create:
    @convention(c) (
      UnsafeMutablePointer<Program?>, _ source: Text, _ name: Text, _ headers: Int32,
      UnsafePointer<Text>?, UnsafePointer<Text>?
    ) -> Int32
  let compile: @convention(c) (Program?, Int32, _ options: UnsafePointer<Text>?) -> Int32
  let codeSize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> Int32
  let code: @convention(c) (Program?, UnsafeMutablePointer<CChar>) -> Int32
  let logSize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> Int32
  let log: @convention(c) (Program?, UnsafeMutablePointer<CChar>) -> Int32
  let destroy: @convention(c) (UnsafeMutablePointer<Program?>) -> Int32

  init(_ library: CUDALoader) throws(CUDAError) {
    version = try library.function("nvrtcVersion")
    errorText = try library.function("nvrtcGetErrorString")
    create = try library.function("nvrtcCreateProgram")
    compile = try library.function("nvrtcCompileProgram")
    codeSize = try library.function("nvrtcGetCUBINSize")
    code = try library.function("nvrtcGetCUBIN")
    logSize = try library.function("nvrtcGetProgramLogSize")
    log = try library.function("nvrtcGetProgramLog")
    destroy = try library.function("nvrtcDestroyProgram")
  }

  /// Succeeds where `status` is 0.
  func check(_ status: Int32, _ call: String) throws(CUDAError) {
    guard status != 0 else { return }
    let name = errorText(status).map { String(cString: $0) }
    throw .failed(call: call, name: name ?? "result \(status)", explanation: "")
  }
}

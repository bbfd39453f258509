/// What the time of a kernel on a GPU depends on besides the kernel; kept with every timing, as
/// ``MachineFingerprint`` is of a machine's cores:
///
/// ```
/// gpu:NVIDIA H100 80GB HBM3; processors:132; clock:1980 MHz; driver:13.0; cublas:130002; nvrtc:13.0
/// ```
package struct CUDAFingerprint: Hashable, Sendable {
  /// The product's name.
  package var name: String
  /// Streaming multiprocessors.
  package var processors: Int
  /// The highest clock, in MHz.
  package var megahertz: Int
  /// The CUDA version that the driver was made for, 12040 for 12.4.
  package var driverVersion: Int
  /// cuBLAS's number of itself.
  package var blasVersion: Int
  /// The compiler's version.
  package var compilerVersion: String

  /// One line, the same in every process on the same machine.
  package var text: String {
    let name = name.split { $0.isWhitespace || $0 == ";" }.joined(separator: " ")
    return "gpu:\(name); processors:\(processors); clock:\(megahertz) MHz; "
      + "driver:\(driverVersion / 1000).\(driverVersion % 1000 / 10); cublas:\(blasVersion); "
      + "nvrtc:\(compilerVersion)"
  }
}

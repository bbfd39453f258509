/// What can be wrong with the machine a kernel runs on.
package enum KernelError: Error, Equatable, CustomStringConvertible {
  /// The BLAS library gives wrong products with the kernels it chose for this processor.
  case miscomputes(core: String)

  package var description: String {
    switch self {
    case .miscomputes(let core):
      """
      OpenBLAS gives wrong matrix products with its \(core) kernels; expected agreement with the \
      plain triple loop. Set OPENBLAS_CORETYPE to another core, for example Haswell, or install \
      another OpenBLAS.
      """
    }
  }
}

import PlanIR

/// One launch of a kernel: its text with all that is fixed, and its arguments.
package struct CUDALaunch: Hashable, Sendable {
  /// An argument by value.
  package enum Scalar: Hashable, Sendable {
    /// `long long`.
    case integer(Int)
    /// `float`.
    case real(Float)
  }

  /// A constant of the text.
  struct Constant: Hashable, Sendable {
    var name: String
    var value: Int
  }

  /// The kernel.
  package let source: CUDAKernelSource
  /// The types of the pointers, in the order of arguments.
  let types: [DType]
  let constants: [Constant]
  /// The place of each pointer among the kernel's operands; nil for a null pointer.
  package let operands: [Int?]
  /// The arguments after the pointers.
  package let scalars: [Scalar]
  package let blocks: Int
  /// Threads of a block, a power of two from 32 to 1024.
  package let threads: Int

  /// The definitions and the text of the kernel itself, to stand after ``CUDAKernelSource/common``.
  package var text: String {
    let types = types.enumerated().map { "typedef \($1.nameInCUDA) T\($0);" }
    let constants = constants.map { "enum { \($0.name) = \($0.value) };" }
    return (types + constants + [source.text]).joined(separator: "\n") + "\n"
  }

  /// The whole program that the device's compiler gets.
  var program: String {
    [CUDAKernelSource.devicePrelude, CUDAKernelSource.common, text].joined(separator: "\n")
  }
}

/// How a kernel's work is spread over blocks of threads.
enum CUDAGrid {
  /// Four of `count` elements a thread.
  case elements(Int)
  /// A block for each of `rows` rows of `columns`.
  case rows(Int, columns: Int)
  /// A block for each 32 of `columns`, as wide as a block may be.
  case columns(Int)
  /// One thread for each of `count`.
  case singles(Int)
  /// One block.
  case one

  var blocks: Int {
    let blocks =
      switch self {
      case .elements(let count): (count + 4 * Self.usual - 1) / (4 * Self.usual)
      case .rows(let rows, _): rows
      case .columns(let columns): (columns + 31) / 32
      case .singles(let count): (count + Self.usual - 1) / Self.usual
      case .one: 1
      }
    return min(max(blocks, 1), Int(Int32.max))
  }

  var threads: Int {
    switch self {
    case .elements, .singles: Self.usual
    case .rows(_, let columns): Self.threads(of: columns)
    case .columns, .one: Self.most
    }
  }

  private static let usual = 256
  private static let most = 1024

  /// Sixteen elements a thread, so far as that makes whole warps and no more than a block has.
  private static func threads(of columns: Int) -> Int {
    var threads = 32
    while threads < most, threads * 16 < columns { threads *= 2 }
    return threads
  }
}

extension DType {
  /// The type's name in ``CUDAKernelSource/common``.
  fileprivate var nameInCUDA: String {
    switch self {
    case .float64: "double"
    case .float32: "float"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .int64: "integer"
    case .uint8: "unsigned char"
    }
  }
}

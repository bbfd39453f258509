package import PlanIR

/// How a GPU computes a product: what its operands are, and what its tensor cores round them to.
package enum CUDAArithmetic: String, Hashable, Sendable, CaseIterable {
  case bfloat16, float16
  /// float32 operands, which tensor cores read with 10 bits of mantissa.
  case tensorFloat32 = "tf32"
  /// float32 operands, every bit of them.
  case float32

  /// The type of operands and result, in keys too.
  package var dtype: DType {
    switch self {
    case .bfloat16: .bfloat16
    case .float16: .float16
    case .tensorFloat32, .float32: .float32
    }
  }

  /// What ran a product, in keys.
  package var backend: String { self == .tensorFloat32 ? "cublas-tf32" : "cublas" }

  /// Those of a GPU of `capability` (90 for 9.0): before Ampere there was neither bfloat16 nor tf32.
  package static func all(capability: Int) -> [CUDAArithmetic] {
    allCases.filter { capability >= 80 || $0 == .float16 || $0 == .float32 }
  }

  /// Its `cudaDataType`.
  var dataType: Int32 {
    switch self {
    case .bfloat16: 14
    case .float16: 2
    case .tensorFloat32, .float32: 0
    }
  }

  /// Its `cublasComputeType_t`; sums are float32 in all.
  var computeType: Int32 { self == .tensorFloat32 ? 77 : 68 }
}

/// A matrix product to be measured on a GPU.
package struct CUDAProduct: Hashable, Sendable {
  /// Sizes and orientation; its own element type does not matter.
  package let product: MatmulProduct
  package let arithmetic: CUDAArithmetic

  /// `product` in `arithmetic`.
  package init(_ product: MatmulProduct, in arithmetic: CUDAArithmetic) {
    (self.product, self.arithmetic) = (product, arithmetic)
  }

  /// Bytes of both operands and of the result.
  package var bytes: Double { Double(aBytes + bBytes + cBytes) }

  var aBytes: Int { product.m * product.k * arithmetic.dtype.width }
  var bBytes: Int { product.k * product.n * arithmetic.dtype.width }
  var cBytes: Int { product.m * product.n * arithmetic.dtype.width }

  /// Under what its time is kept.
  func key(fingerprint: String) -> TimingKey {
    var key = product.key(fingerprint: fingerprint)
    (key.dtype, key.backend) = (arithmetic.dtype, arithmetic.backend)
    return key
  }
}

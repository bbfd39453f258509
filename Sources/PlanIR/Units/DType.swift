/// The element types tensors are planned, stored and run in.
package enum DType: String, Hashable, Sendable, Codable, CaseIterable {
  case float64, float32, float16, bfloat16, int64, uint8

  /// Bytes of one element.
  package var width: Int {
    switch self {
    case .float64, .int64: 8
    case .float32: 4
    case .float16, .bfloat16: 2
    case .uint8: 1
    }
  }
}

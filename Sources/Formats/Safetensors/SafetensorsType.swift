import PlanIR

/// The element types of the safetensors format, by the names it stores.
///
/// All are known, so that a file is checked whole; those of tpplan alone have a ``dtype`` and can
/// be read. Hub files hold others in buffers that nobody reads, such as attention masks.
enum SafetensorsType: String, CaseIterable {
  case bool = "BOOL"
  case uint8 = "U8"
  case int8 = "I8"
  case int16 = "I16"
  case uint16 = "U16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int32 = "I32"
  case uint32 = "U32"
  case float32 = "F32"
  case complex64 = "C64"
  case float64 = "F64"
  case int64 = "I64"
  case uint64 = "U64"
  case float4 = "F4"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case float8E5M2 = "F8_E5M2"
  case float8E4M3 = "F8_E4M3"
  case float8E8M0 = "F8_E8M0"

  /// The name under which `dtype` is stored.
  init(_ dtype: DType) {
    self =
      switch dtype {
      case .float64: .float64
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      case .int64: .int64
      case .uint8: .uint8
      }
  }

  /// The type in tpplan, or nil where tpplan has none.
  var dtype: DType? {
    switch self {
    case .float64: .float64
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int64: .int64
    case .uint8, .bool: .uint8
    case .int8, .int16, .uint16, .int32, .uint32, .complex64, .uint64, .float4, .float6E2M3,
      .float6E3M2, .float8E5M2, .float8E4M3, .float8E8M0:
      nil
    }
  }

  /// Bits of one element.
  var bits: Int {
    switch self {
    case .float4: 4
    case .float6E2M3, .float6E3M2: 6
    case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0: 8
    case .int16, .uint16, .float16, .bfloat16: 16
    case .int32, .uint32, .float32: 32
    case .complex64, .float64, .int64, .uint64: 64
    }
  }
}

extension CUDAKernelSource {
  /// A row's mean and reciprocal deviation from its sums; LAYER is 1 of LayerNorm, 0 of RMSNorm. `all` is
  /// the columns of the whole row, of which a device may hold some.
  private static let scale = """
    struct Scale { float mean, reciprocal; };

    template <class S>
    __device__ inline Scale scaleOfRow(
      const S* stats, integer row, integer rows, float all, float epsilon
    ) {
      Scale scale;
      scale.mean = LAYER ? widen(stats[row]) / all : 0;
      float square = widen(stats[LAYER ? rows + row : row]) / all;
      float variance = LAYER ? fmaxf(square - scale.mean * scale.mean, 0) : square;
      scale.reciprocal = rsqrtf(variance + epsilon);
      return scale;
    }

    """

  /// stats [2, rows] = sums of x and of x^2 over the row, or [1, rows] of x^2.
  static let normStatistics = CUDAKernelSource(
    entry: "normStatistics",
    text: """
      KERNEL void normStatistics(const T0* x, T1* stats, integer rows, integer columns) {
        integer row = blockIdx.x;
        float sum = 0, square = 0;
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4];
          load(a, x + row * columns, first, columns);
          for (int i = 0; i < 4; i++) { sum += a[i]; square += a[i] * a[i]; }
        }
        square = blockSum(square);
        if (LAYER) sum = blockSum(sum);
        if (threadIdx.x > 0) return;
        if (LAYER) narrow(stats[row], sum);
        narrow(stats[LAYER ? rows + row : row], square);
      }
      """)

  /// y = (x - mean) reciprocal gain, and bias where BIAS is 1.
  static let normApply = CUDAKernelSource(
    entry: "normApply",
    text: scale + """
      KERNEL void normApply(
        const T0* x, const T1* stats, const T2* gain, const T3* bias, T4* y, integer rows,
        integer columns, float all, float epsilon
      ) {
        integer row = blockIdx.x;
        Scale scale = scaleOfRow(stats, row, rows, all, epsilon);
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4], g[4], b[4] = {0, 0, 0, 0};
          load(a, x + row * columns, first, columns);
          load(g, gain, first, columns);
          if (BIAS) load(b, bias, first, columns);
          for (int i = 0; i < 4; i++) a[i] = (a[i] - scale.mean) * scale.reciprocal * g[i] + b[i];
          store(y + row * columns, a, first, columns);
        }
      }
      """)

  /// dstats [2, rows] = sums of dy gain and of dy gain xhat over the row, or [1, rows] of the latter.
  static let normGradientStatistics = CUDAKernelSource(
    entry: "normGradientStatistics",
    text: scale + """
      KERNEL void normGradientStatistics(
        const T0* dy, const T1* x, const T2* stats, const T3* gain, T4* dstats, integer rows,
        integer columns, float all, float epsilon
      ) {
        integer row = blockIdx.x;
        Scale scale = scaleOfRow(stats, row, rows, all, epsilon);
        float sum = 0, product = 0;
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4], b[4], g[4];
          load(a, dy + row * columns, first, columns);
          load(b, x + row * columns, first, columns);
          load(g, gain, first, columns);
          for (int i = 0; i < 4; i++) {
            sum += a[i] * g[i];
            product += a[i] * g[i] * (b[i] - scale.mean) * scale.reciprocal;
          }
        }
        product = blockSum(product);
        if (LAYER) sum = blockSum(sum);
        if (threadIdx.x > 0) return;
        if (LAYER) narrow(dstats[row], sum);
        narrow(dstats[LAYER ? rows + row : row], product);
      }
      """)

  /// dx = reciprocal (dy gain - mean(dy gain) - xhat mean(dy gain xhat)), added where ACCUMULATE is 1.
  static let normGradientInput = CUDAKernelSource(
    entry: "normGradientInput",
    text: scale + """
      KERNEL void normGradientInput(
        const T0* dy, const T1* x, const T2* stats, const T3* dstats, const T4* gain, T5* dx,
        integer rows, integer columns, float all, float epsilon
      ) {
        integer row = blockIdx.x;
        Scale scale = scaleOfRow(stats, row, rows, all, epsilon);
        float centre = LAYER ? widen(dstats[row]) / all : 0;
        float slope = widen(dstats[LAYER ? rows + row : row]) / all;
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4], b[4], g[4], old[4] = {0, 0, 0, 0};
          load(a, dy + row * columns, first, columns);
          load(b, x + row * columns, first, columns);
          load(g, gain, first, columns);
          if (ACCUMULATE) load(old, dx + row * columns, first, columns);
          for (int i = 0; i < 4; i++) {
            float hat = (b[i] - scale.mean) * scale.reciprocal;
            a[i] = old[i] + scale.reciprocal * (a[i] * g[i] - centre - hat * slope);
          }
          store(dx + row * columns, a, first, columns);
        }
      }
      """)

  /// dgain [columns] = sums over rows of dy xhat, added where ACCUMULATE is 1. A block sums 32 columns.
  static let normGradientGain = CUDAKernelSource(
    entry: "normGradientGain",
    text: scale + """
      KERNEL void normGradientGain(
        const T0* dy, const T1* x, const T2* stats, T3* dgain, integer rows, integer columns,
        float all, float epsilon
      ) {
        integer column = 32 * (integer)blockIdx.x + threadIdx.x % 32;
        float sum = 0;
        if (column < columns)
          #pragma unroll 8
          for (integer row = threadIdx.x / 32; row < rows; row += blockDim.x / 32) {
            Scale scale = scaleOfRow(stats, row, rows, all, epsilon);
            float hat = (widen(x[row * columns + column]) - scale.mean) * scale.reciprocal;
            sum += widen(dy[row * columns + column]) * hat;
          }
        sum = columnSum(sum);
        if (threadIdx.x < 32 && column < columns)
          narrow(dgain[column], ACCUMULATE ? widen(dgain[column]) + sum : sum);
      }
      """)
}

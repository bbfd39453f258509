extension CUDAKernelSource {
  /// maximum [rows] = the largest of the row's `valid` first logits.
  static let rowMaximum = CUDAKernelSource(
    entry: "rowMaximum",
    text: """
      KERNEL void rowMaximum(const T0* logits, T1* maximum, integer columns, integer valid) {
        integer row = blockIdx.x;
        float largest = negativeInfinity();
        EACH_FOUR_OF_ROW(first, valid) {
          float a[4];
          load(a, logits + row * columns, first, valid);
          for (int i = 0; i < 4; i++) if (first + i < valid) largest = fmaxf(largest, a[i]);
        }
        largest = blockMaximum(largest);
        if (threadIdx.x == 0) narrow(maximum[row], largest);
      }
      """)

  /// sum [rows] = the sum of exp(logit - maximum).
  static let exponentialSum = CUDAKernelSource(
    entry: "exponentialSum",
    text: """
      KERNEL void exponentialSum(
        const T0* logits, const T1* maximum, T2* sums, integer columns, integer valid
      ) {
        integer row = blockIdx.x;
        float largest = widen(maximum[row]), sum = 0;
        EACH_FOUR_OF_ROW(first, valid) {
          float a[4];
          load(a, logits + row * columns, first, valid);
          for (int i = 0; i < 4; i++) if (first + i < valid) sum += expf(a[i] - largest);
        }
        sum = blockSum(sum);
        if (threadIdx.x == 0) narrow(sums[row], sum);
      }
      """)

  /// picked [rows] = the label's logit, 0 where another device holds it or it is ignored.
  static let pickLabel = CUDAKernelSource(
    entry: "pickLabel",
    text: """
      KERNEL void pickLabel(
        const T0* logits, const T1* labels, T2* picked, integer rows, integer columns,
        integer valid, integer offset
      ) {
        integer row = (integer)blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) return;
        integer place = labels[row] - offset;
        bool isHere = labels[row] >= 0 && place >= 0 && place < valid;
        narrow(picked[row], isHere ? widen(logits[row * columns + place]) : 0);
      }
      """)

  /// p = exp(logit - maximum) / sum, 0 from `valid` on.
  static let probabilities = CUDAKernelSource(
    entry: "probabilities",
    text: """
      KERNEL void probabilities(
        const T0* logits, const T1* maximum, const T2* sums, T3* p, integer columns, integer valid
      ) {
        integer row = blockIdx.x;
        float largest = widen(maximum[row]), factor = 1 / widen(sums[row]);
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4];
          load(a, logits + row * columns, first, columns);
          for (int i = 0; i < 4; i++)
            a[i] = first + i < valid ? expf(a[i] - largest) * factor : 0;
          store(p + row * columns, a, first, columns);
        }
      }
      """)

  /// loss += scale times the sum over rows of log(sum) + maximum - picked; one block.
  static let tokenLoss = CUDAKernelSource(
    entry: "tokenLoss",
    text: """
      KERNEL void tokenLoss(
        const T0* maximum, const T1* sums, const T2* picked, const T3* labels, T4* loss,
        integer rows, float scale
      ) {
        float sum = 0;
        for (integer row = threadIdx.x; row < rows; row += blockDim.x)
          if (labels[row] != -100)
            sum += logf(widen(sums[row])) + widen(maximum[row]) - widen(picked[row]);
        sum = blockSum(sum);
        if (threadIdx.x == 0) narrow(loss[0], widen(loss[0]) + scale * sum);
      }
      """)

  /// dlogits = scale (p - 1 at the label), 0 of ignored rows and from `valid` on.
  static let logitsGradient = CUDAKernelSource(
    entry: "logitsGradient",
    text: """
      KERNEL void logitsGradient(
        const T0* p, const T1* labels, T2* dlogits, integer columns, integer valid, integer offset,
        float scale
      ) {
        integer row = blockIdx.x, label = labels[row], place = label < 0 ? -1 : label - offset;
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4];
          load(a, p + row * columns, first, columns);
          for (int i = 0; i < 4; i++) {
            bool counts = label != -100 && first + i < valid;
            a[i] = counts ? scale * (a[i] - (first + i == place ? 1 : 0)) : 0;
          }
          store(dlogits + row * columns, a, first, columns);
        }
      }
      """)

  /// p = softmax of s by rows, zeros where a row is all negative infinity; p may be s.
  static let softmax = CUDAKernelSource(
    entry: "softmax",
    text: """
      KERNEL void softmax(const T0* s, T1* p, integer columns) {
        integer row = blockIdx.x;
        float largest = negativeInfinity(), sum = 0, a[4];
        EACH_FOUR_OF_ROW(first, columns) {
          load(a, s + row * columns, first, columns);
          for (int i = 0; i < 4; i++) if (first + i < columns) largest = fmaxf(largest, a[i]);
        }
        largest = blockMaximum(largest);
        EACH_FOUR_OF_ROW(first, columns) {
          load(a, s + row * columns, first, columns);
          for (int i = 0; i < 4; i++) if (first + i < columns) sum += expf(a[i] - largest);
        }
        sum = blockSum(sum);
        bool isEmpty = largest == negativeInfinity();
        EACH_FOUR_OF_ROW(first, columns) {
          load(a, s + row * columns, first, columns);
          for (int i = 0; i < 4; i++) a[i] = isEmpty ? 0 : expf(a[i] - largest) / sum;
          store(p + row * columns, a, first, columns);
        }
      }
      """)

  /// ds = p (dp - the row's sum of p dp); ds may be dp.
  static let softmaxGradient = CUDAKernelSource(
    entry: "softmaxGradient",
    text: """
      KERNEL void softmaxGradient(const T0* dp, const T1* p, T2* ds, integer columns) {
        integer row = blockIdx.x;
        float sum = 0, a[4], b[4];
        EACH_FOUR_OF_ROW(first, columns) {
          load(a, dp + row * columns, first, columns);
          load(b, p + row * columns, first, columns);
          for (int i = 0; i < 4; i++) sum += a[i] * b[i];
        }
        sum = blockSum(sum);
        EACH_FOUR_OF_ROW(first, columns) {
          load(a, dp + row * columns, first, columns);
          load(b, p + row * columns, first, columns);
          for (int i = 0; i < 4; i++) a[i] = b[i] * (a[i] - sum);
          store(ds + row * columns, a, first, columns);
        }
      }
      """)
}

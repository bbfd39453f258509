extension CUDAKernelSource {
  /// z = x + y, where y repeats every `block` elements; z may be x.
  static let add = CUDAKernelSource(
    entry: "add",
    text: """
      KERNEL void add(const T0* x, const T1* y, T2* z, integer count, integer block) {
        EACH_FOUR(first, count) {
          float a[4], b[4];
          load(a, x, first, count);
          if (block == count || block % 4 == 0) {
            integer place = block == count ? first : first - quotient(first, block) * block;
            load(b, y, place, block);
          } else {
            for (int i = 0; i < 4; i++) {
              integer place = first + i;
              b[i] = place < count ? widen(y[place - quotient(place, block) * block]) : 0;
            }
          }
          for (int i = 0; i < 4; i++) a[i] += b[i];
          store(z, a, first, count);
        }
      }
      """)

  /// y = x, or y += x where ACCUMULATE is 1.
  static let copy = CUDAKernelSource(
    entry: "copyAll",
    text: """
      KERNEL void copyAll(const T0* x, T1* y, integer count) {
        EACH_FOUR(first, count) {
          float a[4], b[4];
          load(a, x, first, count);
          if (ACCUMULATE) {
            load(b, y, first, count);
            for (int i = 0; i < 4; i++) a[i] += b[i];
          }
          store(y, a, first, count);
        }
      }
      """)

  /// y = 0.
  static let zero = CUDAKernelSource(
    entry: "zero",
    text: """
      KERNEL void zero(T0* y, integer count) {
        float none[4] = {0, 0, 0, 0};
        EACH_FOUR(first, count) store(y, none, first, count);
      }
      """)

  /// y = x in a window of up to four dimensions, the last of them `run` elements that stand side by side
  /// in both; of the others e1 and e2 are the inner extents, s and t the strides in x and y.
  static let copyBlock = CUDAKernelSource(
    entry: "copyBlock",
    text: """
      KERNEL void copyBlock(
        const T0* x, T1* y, integer lines, integer run, integer e1, integer e2, integer s0,
        integer s1, integer s2, integer t0, integer t1, integer t2, integer from, integer to
      ) {
        integer fours = (run + 3) / 4;
        EACH_FOUR(index, 4 * lines * fours) {
          integer line = quotient(index / 4, fours);
          integer first = index - 4 * line * fours;
          integer outer = quotient(line, e2), i2 = line - outer * e2;
          integer i0 = quotient(outer, e1), i1 = outer - i0 * e1;
          float values[4];
          load(values, x + from + i0 * s0 + i1 * s1 + i2 * s2, first, run);
          store(y + to + i0 * t0 + i1 * t1 + i2 * t2, values, first, run);
        }
      }
      """)

  /// y [columns] = the sums over rows of x [rows, columns], added to y where ACCUMULATE is 1. A block sums
  /// 32 columns.
  static let sumRows = CUDAKernelSource(
    entry: "sumRows",
    text: """
      KERNEL void sumRows(const T0* x, T1* y, integer rows, integer columns) {
        integer column = 32 * (integer)blockIdx.x + threadIdx.x % 32;
        float sum = 0;
        if (column < columns)
          #pragma unroll 8
          for (integer row = threadIdx.x / 32; row < rows; row += blockDim.x / 32)
            sum += widen(x[row * columns + column]);
        sum = columnSum(sum);
        if (threadIdx.x < 32 && column < columns)
          narrow(y[column], ACCUMULATE ? widen(y[column]) + sum : sum);
      }
      """)
}

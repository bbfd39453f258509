extension CUDAKernelSource {
  /// y [rows, columns] = the table's rows that ids name; rows that another device holds are zero, or kept
  /// where ACCUMULATE is 1. The device holds `local` rows from `offset` on.
  static let embedding = CUDAKernelSource(
    entry: "embedding",
    text: """
      KERNEL void embedding(
        const T0* ids, const T1* table, T2* y, integer columns, integer offset, integer local
      ) {
        integer row = blockIdx.x, place = ids[row] - offset;
        bool isHere = place >= 0 && place < local;
        if (ACCUMULATE && !isHere) return;
        EACH_FOUR_OF_ROW(first, columns) {
          float a[4] = {0, 0, 0, 0};
          if (isHere) load(a, table + place * columns, first, columns);
          store(y + row * columns, a, first, columns);
        }
      }
      """)

  /// The table's gradient, float32, += rows of dy, each to the row that ids name.
  static let embeddingGradient = CUDAKernelSource(
    entry: "embeddingGradient",
    text: """
      KERNEL void embeddingGradient(
        const T0* ids, const T1* dy, T2* table, integer columns, integer offset, integer local
      ) {
        integer row = blockIdx.x, place = ids[row] - offset;
        if (place < 0 || place >= local) return;
        for (integer column = threadIdx.x; column < columns; column += blockDim.x)
          atomicAdd(table + place * columns + column, widen(dy[row * columns + column]));
      }
      """)

  /// y [rows, heads, width] = x with each pair of elements, half a width apart, turned by its angle;
  /// `table` [sequence, 2, width / 2] has cosines and sines. y may be x.
  static let rotary = CUDAKernelSource(
    entry: "rotary",
    text: """
      KERNEL void rotary(
        const T0* x, const T1* table, T2* y, integer lines, integer heads, integer sequence,
        integer half
      ) {
        integer fours = (half + 3) / 4;
        EACH_FOUR(index, 4 * lines * fours) {
          integer line = quotient(index / 4, fours), first = index - 4 * line * fours;
          integer row = quotient(line, heads), position = row - quotient(row, sequence) * sequence;
          float left[4], right[4], cosine[4], sine[4];
          load(left, x + 2 * half * line, first, half);
          load(right, x + 2 * half * line + half, first, half);
          load(cosine, table + 2 * half * position, first, half);
          load(sine, table + 2 * half * position + half, first, half);
          for (int i = 0; i < 4; i++) {
            float old = left[i];
            left[i] = old * cosine[i] - right[i] * sine[i];
            right[i] = right[i] * cosine[i] + old * sine[i];
          }
          store(y + 2 * half * line, left, first, half);
          store(y + 2 * half * line + half, right, first, half);
        }
      }
      """)

  /// weight -= rate gradient, computed on the wider copy where MASTER is 1.
  static let sgd = CUDAKernelSource(
    entry: "sgd",
    text: """
      KERNEL void sgd(const T0* gradient, T1* weight, T2* master, integer count, float rate) {
        EACH_FOUR(first, count) {
          float g[4], w[4];
          load(g, gradient, first, count);
          if (MASTER) load(w, master, first, count); else load(w, weight, first, count);
          for (int i = 0; i < 4; i++) w[i] -= rate * g[i];
          if (MASTER) store(master, w, first, count);
          store(weight, w, first, count);
        }
      }
      """)

  /// A step of AdamW, computed on the wider copy where MASTER is 1.
  static let adamw = CUDAKernelSource(
    entry: "adamw",
    text: """
      KERNEL void adamw(
        const T0* gradient, T1* weight, T2* master, T3* mean, T4* square, integer count,
        float decay, float meanWeight, float squareKeep, float squareWeight, float stepSize,
        float squareCorrection, float epsilon
      ) {
        EACH_FOUR(first, count) {
          float g[4], w[4], m[4], v[4];
          load(g, gradient, first, count);
          if (MASTER) load(w, master, first, count); else load(w, weight, first, count);
          load(m, mean, first, count);
          load(v, square, first, count);
          for (int i = 0; i < 4; i++) {
            m[i] += (g[i] - m[i]) * meanWeight;
            v[i] = v[i] * squareKeep + g[i] * g[i] * squareWeight;
            float scale = sqrtf(v[i]) / squareCorrection + epsilon;
            w[i] = w[i] * decay - stepSize * (m[i] / scale);
          }
          store(mean, m, first, count);
          store(square, v, first, count);
          if (MASTER) store(master, w, first, count);
          store(weight, w, first, count);
        }
      }
      """)
}

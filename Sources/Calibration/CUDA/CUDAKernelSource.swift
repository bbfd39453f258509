/// A kernel's text in CUDA C++, with a name for its entry point.
///
/// Pointers are of the types T0, T1, ... in the order of arguments; flags in capitals are constants. Both
/// are defined by each launch, so that one text serves every combination of widths. Rows are one block
/// each, and a block may have any power of two of warps; elements are taken four at a time, in one access
/// where they are aligned. All arithmetic is float32.
package struct CUDAKernelSource: Hashable, Sendable {
  /// The name of the entry point.
  package let entry: String
  /// The text, without what all kernels share.
  package let text: String
}

extension CUDAKernelSource {
  /// What the compiler of the device provides under its own names.
  static let devicePrelude = """
    #define KERNEL extern "C" __global__
    __device__ inline float floatOfBits(unsigned bits) { return __uint_as_float(bits); }
    __device__ inline unsigned bitsOfFloat(float x) { return __float_as_uint(x); }
    __device__ inline float floatOfHalf(unsigned short bits) {
      float x;
      asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
      return x;
    }
    __device__ inline unsigned short halfOfFloat(float x) {
      unsigned short bits;
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
      return bits;
    }
    """

  /// What all kernels share, after the prelude: narrow floats without NVIDIA's headers, which need not be
  /// installed beside the compiler; fours of elements; reductions over a block.
  package static let common = """
    typedef long long integer;
    struct bfloat16 { unsigned short bits; };
    struct float16 { unsigned short bits; };

    __device__ inline float widen(float x) { return x; }
    __device__ inline float widen(bfloat16 x) { return floatOfBits((unsigned)x.bits << 16); }
    __device__ inline float widen(float16 x) { return floatOfHalf(x.bits); }

    __device__ inline void narrow(float& y, float x) { y = x; }
    __device__ inline void narrow(float16& y, float x) { y.bits = halfOfFloat(x); }
    // To the nearest, ties to even; what is no number stays none.
    __device__ inline void narrow(bfloat16& y, float x) {
      unsigned bits = bitsOfFloat(x);
      bool isNumber = (bits & 0x7fffffff) <= 0x7f800000;
      y.bits = isNumber ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fff;
    }

    // 32 bits are divided several times faster than 64.
    __device__ inline integer quotient(integer a, integer b) {
      return (a | b) >> 32 ? a / b : (integer)((unsigned)a / (unsigned)b);
    }

    template <class T> struct alignas(4 * sizeof(T)) Four { T at[4]; };

    // values = x[first ..< first + 4], zero from `count` on.
    template <class T>
    __device__ inline void load(float* values, const T* x, integer first, integer count) {
      const T* place = x + first;
      if (first + 4 <= count && (unsigned long long)place % sizeof(Four<T>) == 0) {
        Four<T> four = *(const Four<T>*)place;
        for (int i = 0; i < 4; i++) values[i] = widen(four.at[i]);
      } else {
        for (int i = 0; i < 4; i++) values[i] = first + i < count ? widen(place[i]) : 0;
      }
    }

    // y[first ..< first + 4] = values, as far as below `count`.
    template <class T>
    __device__ inline void store(T* y, const float* values, integer first, integer count) {
      T* place = y + first;
      if (first + 4 <= count && (unsigned long long)place % sizeof(Four<T>) == 0) {
        Four<T> four;
        for (int i = 0; i < 4; i++) narrow(four.at[i], values[i]);
        *(Four<T>*)place = four;
      } else {
        for (int i = 0; i < 4; i++) if (first + i < count) narrow(place[i], values[i]);
      }
    }

    #define EACH_FOUR(first, count) \\
      for (integer first = 4 * ((integer)blockIdx.x * blockDim.x + threadIdx.x); first < count; \\
           first += 4 * (integer)gridDim.x * blockDim.x)
    #define EACH_FOUR_OF_ROW(first, columns) \\
      for (integer first = 4 * threadIdx.x; first < columns; first += 4 * blockDim.x)

    // The sum, or the largest, of x over all threads of the block, told to each of them.
    template <bool isMaximum> __device__ inline float reduced(float x) {
      __shared__ float parts[32];
      int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
      for (int step = 16; step > 0; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, x, step);
        x = isMaximum ? fmaxf(x, other) : x + other;
      }
      // Slow threads may still read what the reduction before left.
      __syncthreads();
      if (lane == 0) parts[warp] = x;
      __syncthreads();
      x = parts[lane < warps ? lane : 0];
      if (lane >= warps && !isMaximum) x = 0;
      for (int step = 16; step > 0; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, x, step);
        x = isMaximum ? fmaxf(x, other) : x + other;
      }
      return x;
    }
    __device__ inline float blockSum(float x) { return reduced<false>(x); }
    __device__ inline float blockMaximum(float x) { return reduced<true>(x); }

    // The sum of x over the threads that are equal modulo 32, told to each of them.
    __device__ inline float columnSum(float x) {
      __shared__ float parts[1024];
      parts[threadIdx.x] = x;
      __syncthreads();
      for (int lines = blockDim.x / 64; lines > 0; lines /= 2) {
        if (threadIdx.x < 32 * lines) parts[threadIdx.x] += parts[threadIdx.x + 32 * lines];
        __syncthreads();
      }
      return parts[threadIdx.x % 32];
    }

    __device__ inline float negativeInfinity() { return floatOfBits(0xff800000u); }

    """
}

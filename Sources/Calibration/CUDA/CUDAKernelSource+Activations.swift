extension CUDAKernelSource {
  /// The function FUNCTION and its derivative: 0 GELU by tanh, 1 GELU by erf, 2 ReLU, 3 SiLU.
  private static let function = """
    __device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

    __device__ inline float value(float x) {
      if (FUNCTION == 0) return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
      if (FUNCTION == 1) return x * 0.5f * (1 + erff(x * 0.707106781f));
      if (FUNCTION == 2) return x > 0 ? x : 0;
      return x * sigmoid(x);
    }

    __device__ inline float slope(float x) {
      if (FUNCTION == 0) {
        float s = sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
        return s + x * s * (1 - s) * 1.59576912f * (1 + 0.134145f * x * x);
      }
      if (FUNCTION == 1)
        return 0.5f * (1 + erff(x * 0.707106781f)) + x * 0.39894228f * expf(-0.5f * x * x);
      if (FUNCTION == 2) return x > 0 ? 1 : 0;
      float s = sigmoid(x);
      return s + x * s * (1 - s);
    }

    """

  /// y = f(x).
  static let activation = CUDAKernelSource(
    entry: "activation",
    text: function + """
      KERNEL void activation(const T0* x, T1* y, integer count) {
        EACH_FOUR(first, count) {
          float a[4];
          load(a, x, first, count);
          for (int i = 0; i < 4; i++) a[i] = value(a[i]);
          store(y, a, first, count);
        }
      }
      """)

  /// dx = dy f'(x); dx may be dy.
  static let activationGradient = CUDAKernelSource(
    entry: "activationGradient",
    text: function + """
      KERNEL void activationGradient(const T0* dy, const T1* x, T2* dx, integer count) {
        EACH_FOUR(first, count) {
          float a[4], b[4];
          load(a, dy, first, count);
          load(b, x, first, count);
          for (int i = 0; i < 4; i++) a[i] *= slope(b[i]);
          store(dx, a, first, count);
        }
      }
      """)

  /// y = f(gate) up.
  static let gatedActivation = CUDAKernelSource(
    entry: "gatedActivation",
    text: function + """
      KERNEL void gatedActivation(const T0* gate, const T1* up, T2* y, integer count) {
        EACH_FOUR(first, count) {
          float a[4], b[4];
          load(a, gate, first, count);
          load(b, up, first, count);
          for (int i = 0; i < 4; i++) a[i] = value(a[i]) * b[i];
          store(y, a, first, count);
        }
      }
      """)

  /// dgate = dy up f'(gate), dup = dy f(gate).
  static let gatedActivationGradient = CUDAKernelSource(
    entry: "gatedActivationGradient",
    text: function + """
      KERNEL void gatedActivationGradient(
        const T0* dy, const T1* gate, const T2* up, T3* dgate, T4* dup, integer count
      ) {
        EACH_FOUR(first, count) {
          float a[4], b[4], c[4];
          load(a, dy, first, count);
          load(b, gate, first, count);
          load(c, up, first, count);
          for (int i = 0; i < 4; i++) {
            c[i] *= a[i] * slope(b[i]);
            a[i] *= value(b[i]);
          }
          store(dgate, c, first, count);
          store(dup, a, first, count);
        }
      }
      """)
}

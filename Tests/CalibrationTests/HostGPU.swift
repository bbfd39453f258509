import Calibration
import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// Runs the texts of device kernels on the host: they are compiled as C++ behind a prelude in which the
/// threads of a block are coroutines.
///
/// A barrier hands on to the next thread. All threads are resumed in turn, so each has come to its barrier
/// before the first goes on; where some have ended while others wait, the barrier was not every thread's,
/// and the launch fails.
final class HostGPU {
  private let handle: UnsafeMutableRawPointer
  private let names: [String: String]

  /// Compiles `launches`, each text once.
  init(_ launches: [CUDALaunch]) throws {
    let texts = Set(launches.map(\.text)).sorted()
    var names: [String: String] = [:]
    var program = Self.prelude + CUDAKernelSource.common
    let entries = Dictionary(launches.map { ($0.text, $0.source.entry) }) { first, _ in first }
    for (index, text) in texts.enumerated() {
      names[text] = "launch\(index)"
      program += """
        namespace k\(index) {
        \(text)}
        extern "C" int launch\(index)(void** parameters, unsigned grid, unsigned block) {
          return run([](void** p) { call(k\(index)::\(entries[text] ?? ""), p); }, parameters, grid, block);
        }

        """
    }
    self.names = names
    handle = try Self.compiled(program)
  }

  deinit { dlclose(handle) }

  /// Runs `launch` on `memory`, the addresses of its kernel's operands, in blocks of `threads`.
  func run(_ launch: CUDALaunch, _ memory: [UnsafeMutableRawPointer], threads: Int) throws {
    typealias Function =
      @convention(c) (
        UnsafeMutablePointer<UnsafeMutableRawPointer?>, UInt32, UInt32
      ) -> Int32
    guard let name = names[launch.text], let symbol = dlsym(handle, name) else {
      throw Failure(text: "\(launch.source.entry) was not compiled")
    }
    var cells = launch.operands.map { $0.map { UInt64(UInt(bitPattern: memory[$0])) } ?? 0 }
    cells += launch.scalars.map(\.cell)
    let status = cells.withUnsafeMutableBytes { cells in
      var pointers = stride(from: 0, to: cells.count, by: 8).map { offset in
        cells.baseAddress.map { $0 + offset }
      }
      return unsafeBitCast(symbol, to: Function.self)(
        &pointers, UInt32(launch.blocks), UInt32(threads))
    }
    guard status == 0 else {
      throw Failure(text: "\(launch.source.entry): not all threads come to the same barriers")
    }
  }

  struct Failure: Error { var text: String }

  private static func compiled(_ program: String) throws -> UnsafeMutableRawPointer {
    let base = NSTemporaryDirectory() + "tpplan-kernels-" + UUID().uuidString
    let (source, library, log) = (base + ".cpp", base + ".so", base + ".log")
    defer { for file in [source, library, log] { unlink(file) } }
    try Data(program.utf8).write(to: URL(fileURLWithPath: source))
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    process.executableURL = try compiler()
    process.arguments =
      "-std=c++14 -O1 -ffp-contract=off -fno-strict-aliasing -fno-exceptions -fPIC -shared -o"
      .split(separator: " ").map(String.init) + [library, source, "-lm"]
    process.standardError = FileHandle(forWritingAtPath: log)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0, let handle = dlopen(library, RTLD_NOW) else {
      throw Failure(text: try String(contentsOfFile: log, encoding: .utf8))
    }
    return handle
  }

  /// The C++ compiler of the Swift toolchain, which stands beside `swift`.
  private static func compiler() throws -> URL {
    let folders = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
    let clangs = folders.map { URL(fileURLWithPath: String($0)).appendingPathComponent("clang") }
    guard let clang = clangs.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) })
    else { throw Failure(text: "no clang in PATH; it stands beside swift") }
    return clang
  }

  /// What the device provides, on the host.
  private static let prelude = """
    #include <math.h>
    #include <stdlib.h>
    #include <string.h>
    #include <ucontext.h>
    #define __device__
    #define __shared__ static
    #define KERNEL static

    struct Index { unsigned x; };
    static Index threadIdx, blockIdx, blockDim, gridDim;

    static float floatOfBits(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
    static unsigned bitsOfFloat(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
    static float floatOfHalf(unsigned short bits) { _Float16 x; memcpy(&x, &bits, 2); return x; }
    static unsigned short halfOfFloat(float x) {
      _Float16 half = x; unsigned short bits; memcpy(&bits, &half, 2); return bits;
    }
    static float rsqrtf(float x) { return 1 / sqrtf(x); }
    static void atomicAdd(float* place, float x) { *place += x; }

    enum { most = 1024, stackBytes = 1 << 16 };
    static ucontext_t scheduler, threads[most];
    static char* stacks;
    static bool isDone[most];
    static void (*work)(void**);
    static void** arguments;

    static void handOn() { swapcontext(&threads[threadIdx.x], &scheduler); }
    static void __syncthreads() { handOn(); }

    static float lanes[most];
    static float __shfl_xor_sync(unsigned, float x, int step) {
      lanes[threadIdx.x] = x;
      handOn();
      float other = lanes[threadIdx.x ^ step];
      handOn();
      return other;
    }

    static void thread() {
      work(arguments);
      isDone[threadIdx.x] = true;
      handOn();
    }

    static int runBlock(unsigned block) {
      for (unsigned i = 0; i < block; i++) {
        isDone[i] = false;
        getcontext(&threads[i]);
        threads[i].uc_stack.ss_sp = stacks + i * (size_t)stackBytes;
        threads[i].uc_stack.ss_size = stackBytes;
        threads[i].uc_link = &scheduler;
        makecontext(&threads[i], thread, 0);
      }
      for (;;) {
        unsigned done = 0;
        for (unsigned i = 0; i < block; i++) {
          threadIdx.x = i;
          swapcontext(&scheduler, &threads[i]);
          done += isDone[i];
        }
        if (done == block) return 0;
        if (done > 0) return 1;
      }
    }

    static int run(void (*kernel)(void**), void** parameters, unsigned grid, unsigned block) {
      if (!stacks) stacks = (char*)malloc((size_t)most * stackBytes);
      work = kernel;
      arguments = parameters;
      blockDim.x = block;
      gridDim.x = grid;
      for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++) if (runBlock(block)) return 1;
      return 0;
    }

    template <unsigned... I> struct Places {};
    template <unsigned N, unsigned... I> struct Make : Make<N - 1, N - 1, I...> {};
    template <unsigned... I> struct Make<0, I...> { typedef Places<I...> type; };
    template <class... A, unsigned... I>
    static void call(void (*kernel)(A...), void** p, Places<I...>) { kernel(*(A*)p[I]...); }
    template <class... A> static void call(void (*kernel)(A...), void** p) {
      call(kernel, p, typename Make<sizeof...(A)>::type());
    }

    """
}

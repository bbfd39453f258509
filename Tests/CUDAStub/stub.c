/* A GPU that is none: the entry points of libcuda, libcublas and libnvrtc that tpplan opens, on the host,
   so that calibration can be tested without a GPU.

   Time is virtual and moves only when something runs. Of microseconds:

     cublasGemmEx    3 + 2mnk / (800e6 in 16 bits, 400e6 in tf32, 50e6 in float32)
     cuLaunchKernel  2 + threads / 1e6
     a copy          2 + bytes / 1.5e6 within the device, 8 + bytes / 25e3 from and to the host

   Products check their arguments as cuBLAS does, that operands lie in memory that is allocated too, and are
   computed if asked, as bytes of asynchronous copies move if asked. "Machine code" is the source text, so that a function is found only if the text has it. */

#include "CUDAStub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MARK: - Settings: by cudaStubSet, or CUDA_STUB_<name> in the environment, read by cuInit */

static struct {
  const char *name;
  long usual, value;
} settings[] = {
    {"DEVICES", 1, 1},
    {"DRIVER_VERSION", 12040, 12040},
    {"CAPABILITY", 90, 90},      /* times ten */
    {"LEAST_CAPABILITY", 50, 50}, /* that the compiler knows */
    {"FAIL_ALLOCATION", 0, 0}, /* which allocation of device memory is refused, from 1 on */
    {"FAIL_LAUNCH", 0, 0}, /* which launch fails */
    {"FAIL_GEMM", 0, 0}, /* which product fails */
    {"FAIL_EVENT", 0, 0}, /* which creation of an event fails */
    {"REFUSE_SOURCE", 0, 0}, /* 1: the compiler refuses everything */
    {"COMPUTE", 0, 0}, /* 1: products are computed, and asynchronous copies move bytes */
};

static long *setting(const char *name) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (!strcmp(settings[i].name, name)) return &settings[i].value;
  fprintf(stderr, "CUDA stub: no setting %s\n", name);
  abort();
}

void cudaStubSet(const char *name, long value) { *setting(name) = value; }

void cudaStubReset(void) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    settings[i].value = settings[i].usual;
}

/* Counts down to a fault: whether this is the call that fails. */
static int fails(const char *name) {
  long *left = setting(name);
  return *left > 0 && --*left == 0;
}

/* MARK: - Objects */

static double now; /* microseconds */
static long live;
static long compilations;

long cudaStubLiveObjects(void) { return live; }
long cudaStubCompilations(void) { return compilations; }

enum { allocationLimit = 256 };
static struct {
  char *base;
  size_t bytes;
} allocations[allocationLimit];

/* Whether `bytes` bytes at `address` lie in one allocation. */
static int holds(unsigned long long address, size_t bytes) {
  for (int i = 0; i < allocationLimit; i++) {
    char *base = allocations[i].base, *place = (char *)address;
    if (base && place >= base && place + bytes <= base + allocations[i].bytes) return 1;
  }
  return 0;
}

enum { invalidValue = 1, outOfMemory = 2, noDevice = 100, notFound = 500, launchFailed = 719 };

/* MARK: - libcuda */

int cuInit(unsigned flags) {
  char name[64];
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    snprintf(name, sizeof name, "CUDA_STUB_%s", settings[i].name);
    const char *value = getenv(name);
    if (value) settings[i].value = atol(value);
  }
  if (flags) return invalidValue;
  return *setting("DEVICES") ? 0 : noDevice;
}

int cuDriverGetVersion(int *version) { return *version = (int)*setting("DRIVER_VERSION"), 0; }

int cuGetErrorName(int error, const char **name) {
  switch (error) {
    case invalidValue: *name = "CUDA_ERROR_INVALID_VALUE"; return 0;
    case outOfMemory: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return 0;
    case notFound: *name = "CUDA_ERROR_NOT_FOUND"; return 0;
    case launchFailed: *name = "CUDA_ERROR_LAUNCH_FAILED"; return 0;
    default: return invalidValue;
  }
}

int cuGetErrorString(int error, const char **text) {
  *text = error == launchFailed ? "unspecified launch failure" : "it was asked of the stub";
  return 0;
}

int cuDeviceGetCount(int *count) { return *count = (int)*setting("DEVICES"), 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int bytes, int device) {
  (void)device;
  return snprintf(name, (size_t)bytes, "Stub GPU; 1"), 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
    case 13: *value = 1500000; return 0; /* clock, kHz */
    case 16: *value = 100; return 0;     /* multiprocessors */
    case 38: *value = 1 << 20; return 0; /* second-level cache, bytes */
    case 75: *value = (int)*setting("CAPABILITY") / 10; return 0;
    case 76: *value = (int)*setting("CAPABILITY") % 10; return 0;
    default: return invalidValue;
  }
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device;
  return live++, *context = &live, 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, live--, 0; }
int cuCtxSetCurrent(void *context) { return (void)context, 0; }
int cuCtxSynchronize(void) { return 0; }

int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = (size_t)4 << 30, 0; }

int cuMemAlloc_v2(unsigned long long *address, size_t bytes) {
  if (fails("FAIL_ALLOCATION")) return outOfMemory;
  for (int i = 0; i < allocationLimit; i++) {
    if (allocations[i].base) continue;
    allocations[i].base = malloc(bytes);
    if (!allocations[i].base) return outOfMemory;
    allocations[i].bytes = bytes;
    *address = (unsigned long long)allocations[i].base;
    return live++, 0;
  }
  return outOfMemory;
}

int cuMemFree_v2(unsigned long long address) {
  for (int i = 0; i < allocationLimit; i++) {
    if (allocations[i].base != (char *)address) continue;
    free(allocations[i].base);
    allocations[i].base = NULL;
    return live--, 0;
  }
  return invalidValue;
}

int cuMemHostAlloc(void **base, size_t bytes, unsigned flags) {
  (void)flags;
  *base = malloc(bytes);
  return *base ? (live++, 0) : outOfMemory;
}
int cuMemFreeHost(void *base) { return free(base), live--, 0; }

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
  (void)stream;
  if (!holds(to, bytes)) return invalidValue;
  now += 8 + bytes / 25e3;
  if (*setting("COMPUTE")) memcpy((void *)to, from, bytes);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
  (void)stream;
  if (!holds(from, bytes)) return invalidValue;
  now += 8 + bytes / 25e3;
  if (*setting("COMPUTE")) memcpy(to, (void *)from, bytes);
  return 0;
}
int cuMemcpyDtoDAsync_v2(
    unsigned long long to, unsigned long long from, size_t bytes, void *stream) {
  (void)stream;
  if (!holds(to, bytes) || !holds(from, bytes)) return invalidValue;
  now += 2 + bytes / 1.5e6;
  if (*setting("COMPUTE")) memcpy((void *)to, (void *)from, bytes);
  return 0;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes) {
  int status = cuMemcpyHtoDAsync_v2(to, from, bytes, NULL);
  return status ? status : (memcpy((void *)to, from, bytes), 0);
}
int cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t bytes) {
  int status = cuMemcpyDtoHAsync_v2(to, from, bytes, NULL);
  return status ? status : (memcpy(to, (void *)from, bytes), 0);
}

int cuEventCreate(void **event, unsigned flags) {
  (void)flags;
  if (fails("FAIL_EVENT")) return outOfMemory;
  *event = calloc(1, sizeof(double));
  return live++, 0;
}
int cuEventRecord(void *event, void *stream) { return (void)stream, *(double *)event = now, 0; }
int cuEventSynchronize(void *event) { return event ? 0 : invalidValue; }
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  *milliseconds = (float)((*(double *)end - *(double *)start) / 1000);
  return 0;
}
int cuEventDestroy_v2(void *event) { return free(event), live--, 0; }

/* A module is its text. */
int cuModuleLoadData(void **module, const void *image) { return *module = strdup(image), live++, 0; }
int cuModuleUnload(void *module) { return free(module), live--, 0; }

/* A function is where its parameters begin in the text. */
int cuModuleGetFunction(void **function, void *module, const char *name) {
  char pattern[128];
  snprintf(pattern, sizeof pattern, "KERNEL void %s(", name);
  char *place = strstr(module, pattern);
  if (!place) return notFound;
  *function = place + strlen(pattern);
  return 0;
}

int cuLaunchKernel(
    void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
    unsigned sharedBytes, void *stream, void **parameters, void **extra) {
  (void)sharedBytes, (void)stream, (void)extra;
  if (!gx || gy != 1 || gz != 1 || !bx || bx > 1024 || bx % 32 || by != 1 || bz != 1)
    return invalidValue;
  if (fails("FAIL_LAUNCH")) return launchFailed;
  /* Pointers come first; they must be null or point into memory that is allocated. */
  int index = 0;
  for (const char *place = function, *end = strchr(place, ')'); place && place < end; index++) {
    const char *comma = memchr(place, ',', (size_t)(end - place));
    const char *stop = comma ? comma : end;
    unsigned long long value;
    if (memchr(place, '*', (size_t)(stop - place))) {
      memcpy(&value, parameters[index], sizeof value);
      if (value && !holds(value, 1)) return launchFailed;
    }
    place = comma ? comma + 1 : end;
  }
  now += 2 + (double)gx * bx / 1e6;
  return 0;
}

/* MARK: - libcublas */

int cublasCreate_v2(void **handle) { return live++, *handle = &now, 0; }
int cublasDestroy_v2(void *handle) { return (void)handle, live--, 0; }
int cublasGetVersion_v2(void *handle, int *version) { return (void)handle, *version = 120405, 0; }

static float element(unsigned long long base, int type, size_t index) {
  if (type == 0) return ((float *)base)[index];
  unsigned bits = ((unsigned short *)base)[index];
  float value;
  if (type == 14) {
    bits <<= 16;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  return (float)((_Float16 *)base)[index];
}

static void store(unsigned long long base, int type, size_t index, float value) {
  if (type == 0) {
    ((float *)base)[index] = value;
  } else if (type == 14) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    ((unsigned short *)base)[index] = (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  } else {
    ((_Float16 *)base)[index] = (_Float16)value;
  }
}

static size_t width(int type) { return type == 0 ? 4 : 2; }

/* Whether a matrix of so many rows and columns, stored by columns, lies in memory. */
static int fits(unsigned long long base, int type, int rows, int columns, int stride) {
  if (stride < (rows > 1 ? rows : 1)) return 0;
  return holds(base, ((size_t)stride * (size_t)(columns - 1) + (size_t)rows) * width(type));
}

int cublasGemmEx(
    void *handle, int ta, int tb, int m, int n, int k, const void *alpha, unsigned long long a,
    int typeA, int lda, unsigned long long b, int typeB, int ldb, const void *beta,
    unsigned long long c, int typeC, int ldc, int compute, int algorithm) {
  enum { invalid = 7, failed = 13, unsupported = 15 };
  if (handle != &now || ta < 0 || ta > 1 || tb < 0 || tb > 1 || m < 1 || n < 1 || k < 1)
    return invalid;
  if (algorithm != -1 || typeA != typeB || typeA != typeC) return unsupported;
  if (typeA != 0 && typeA != 2 && typeA != 14) return unsupported;
  if (compute != 68 && !(compute == 77 && typeA == 0)) return unsupported;
  if (typeA == 14 && *setting("CAPABILITY") < 80) return unsupported;
  if (!fits(a, typeA, ta ? k : m, ta ? m : k, lda)) return invalid;
  if (!fits(b, typeB, tb ? n : k, tb ? k : n, ldb)) return invalid;
  if (!fits(c, typeC, m, n, ldc)) return invalid;
  if (fails("FAIL_GEMM")) return failed;
  now += 3 + 2.0 * m * n * k / (typeA ? 800e6 : compute == 77 ? 400e6 : 50e6);
  if (!*setting("COMPUTE")) return 0;
  for (size_t i = 0; i < (size_t)m; i++)
    for (size_t j = 0; j < (size_t)n; j++) {
      float sum = 0;
      for (size_t l = 0; l < (size_t)k; l++)
        sum += element(a, typeA, ta ? l + i * (size_t)lda : i + l * (size_t)lda)
               * element(b, typeB, tb ? j + l * (size_t)ldb : l + j * (size_t)ldb);
      size_t place = i + j * (size_t)ldc;
      float old = *(const float *)beta == 0 ? 0 : element(c, typeC, place);
      store(c, typeC, place, *(const float *)alpha * sum + *(const float *)beta * old);
    }
  return 0;
}

/* MARK: - libnvrtc */

struct program {
  char *source;
  int isCompiled;
};

int nvrtcVersion(int *major, int *minor) { return *major = 12, *minor = 4, 0; }
const char *nvrtcGetErrorString(int error) {
  return error == 6 ? "NVRTC_ERROR_COMPILATION" : error == 3 ? "NVRTC_ERROR_INVALID_INPUT" : "NVRTC";
}

int nvrtcCreateProgram(
    struct program **program, const char *source, const char *name, int headers,
    const char *const *texts, const char *const *names) {
  (void)name, (void)texts, (void)names;
  if (!source || !*source || headers) return 3;
  *program = calloc(1, sizeof **program);
  (*program)->source = strdup(source);
  return live++, 0;
}

int nvrtcCompileProgram(struct program *program, int count, const char *const *options) {
  if (count != 2 || strncmp(options[0], "--gpu-architecture=sm_", 22)) return 5;
  /* CUDA 13 compiles for no GPU before Turing. */
  if (atol(options[0] + 22) < *setting("LEAST_CAPABILITY") || strcmp(options[1], "--std=c++17"))
    return 5;
  if (*setting("REFUSE_SOURCE")) return 6;
  compilations++;
  return program->isCompiled = 1, 0;
}

int nvrtcGetCUBINSize(struct program *program, size_t *size) {
  if (!program->isCompiled) return 4;
  return *size = strlen(program->source) + 1, 0;
}
int nvrtcGetCUBIN(struct program *program, char *code) { return strcpy(code, program->source), 0; }

static const char theLog[] = "kernel.cu(1): error: refused\n1 error";
int nvrtcGetProgramLogSize(struct program *program, size_t *size) {
  return (void)program, *size = sizeof theLog, 0;
}
int nvrtcGetProgramLog(struct program *program, char *log) {
  return (void)program, strcpy(log, theLog), 0;
}
int nvrtcDestroyProgram(struct program **program) {
  free((*program)->source);
  free(*program);
  return *program = NULL, live--, 0;
}

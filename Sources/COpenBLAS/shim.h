#include <cblas.h>

/// What OpenBLAS does before a fork: its threads end, and are made again by the first product that
/// wants several. Builds without threads lack it.
extern int blas_thread_shutdown_(void) __attribute__((weak));

/// Ends OpenBLAS's threads, which spin for some time after they are made, where it has any.
static inline void tpplan_end_blas_threads(void) {
  if (blas_thread_shutdown_) blas_thread_shutdown_();
}

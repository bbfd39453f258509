#ifndef CUDA_STUB_H
#define CUDA_STUB_H

/* What tests ask of the stub beside the entry points of CUDA, which they find by name. */

/* Sets a fault or a property of the device: see `settings` in stub.c. */
void cudaStubSet(const char *name, long value);
/* Sets all of them to what is usual. */
void cudaStubReset(void);
/* Objects that exist: device memory, host memory, events, modules, contexts, handles and programs. */
long cudaStubLiveObjects(void);
/* Programs that were compiled so far. */
long cudaStubCompilations(void);

#endif

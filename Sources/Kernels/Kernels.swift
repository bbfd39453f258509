// The room of Kernels; see docs/architecture.md.

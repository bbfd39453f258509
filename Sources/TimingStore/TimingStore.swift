// The room of TimingStore; see docs/architecture.md.

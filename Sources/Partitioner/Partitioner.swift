// The room of Partitioner; see docs/architecture.md.

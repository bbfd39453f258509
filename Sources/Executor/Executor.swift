// The room of Executor; see docs/architecture.md.

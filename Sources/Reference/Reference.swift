// The room of Reference; see docs/architecture.md.

// The room of Formats; see docs/architecture.md.

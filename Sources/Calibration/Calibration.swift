// The room of Calibration; see docs/architecture.md.

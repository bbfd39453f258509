import PlanIR

extension Picoseconds {
  /// 100 days: beyond them times saturate, and parts of a step no longer add up to it.
  static let longestStep = Picoseconds(seconds: 8.64e6)
}

extension ConstraintViolation {
  /// A step that lasts longer than any.
  static let tooLong = ConstraintViolation(
    constraint: "a step lasts no more than 100 days", found: "a longer one",
    needed: "figures of the cluster, or a batch, under which it does not",
    remedy: "a smaller --global-batch, or another --cluster")
}

/// Which timings to remove: those that match every part that is given.
package struct TimingFilter: Hashable, Sendable {
  /// Of this machine, if given.
  package var fingerprint: String?
  /// Of this kernel, if given.
  package var kernel: String?
  /// Measured before this day (`2026-11-23`), if given.
  package var measuredBefore: String?

  private init(fingerprint: String?, kernel: String?, measuredBefore: String?) {
    self.fingerprint = fingerprint
    self.kernel = kernel
    self.measuredBefore = measuredBefore
  }

  /// Every timing.
  package static let everything = TimingFilter(
    fingerprint: nil, kernel: nil, measuredBefore: nil)

  /// Those of one machine.
  package static func fingerprint(_ fingerprint: String) -> TimingFilter {
    TimingFilter(fingerprint: fingerprint, kernel: nil, measuredBefore: nil)
  }

  /// Those of one kernel.
  package static func kernel(_ kernel: String) -> TimingFilter {
    TimingFilter(fingerprint: nil, kernel: kernel, measuredBefore: nil)
  }

  /// Those measured before `day`, such as `2026-11-23`.
  package static func measuredBefore(_ day: String) -> TimingFilter {
    TimingFilter(fingerprint: nil, kernel: nil, measuredBefore: day)
  }
}

import Foundation
import Kernels

/// What the time of a kernel depends on besides the kernel: the processor, its cores and clock, the
/// BLAS build with the core it chose, and how many threads it may use.
///
/// The text is stored with every timing and compared as a whole; a clock that is not known is left out:
///
/// ```
/// cpu:AMD EPYC 9R14; cores:2; clock:2.6 GHz; openblas:0.3.21 Cooperlake; threads:1
/// ```
package struct MachineFingerprint: Hashable, Sendable {
  /// The processor's name.
  package var processor: String
  /// Cores that this process may use.
  package var cores: Int
  /// The clock in tenths of a GHz; nil where nothing tells it that does not change with the load.
  package var clock: Int?
  /// The BLAS library's version.
  package var version: String
  /// The processor whose kernels the library chose: another one under `OPENBLAS_CORETYPE`.
  package var core: String
  /// How many threads one product may use.
  package var threads: Int

  /// A fingerprint from what the system and the library say of themselves.
  ///
  /// - Parameters:
  ///   - processorInformation: The text of `/proc/cpuinfo`, empty where there is none.
  ///   - maximumClock: The text of `cpufreq/cpuinfo_max_freq`, in kHz, empty where there is none.
  ///   - cores: Cores that this process may use.
  ///   - configuration: What `openblas_get_config` answers.
  ///   - core: What `openblas_get_corename` answers.
  ///   - threads: How many threads one product may use.
  package init(
    processorInformation: String, maximumClock: String = "", cores: Int, configuration: String,
    core: String, threads: Int
  ) {
    self.cores = cores
    clock = Self.clock(maximum: maximumClock, in: processorInformation)
    processor = Self.clean(Self.processorName(in: processorInformation) ?? "unknown")
    version = Self.clean(Self.version(in: configuration))
    self.core = Self.clean(core)
    self.threads = threads
  }

  /// One line, the same in every process on the same machine.
  package var text: String {
    let clock = clock.map { "; clock:\($0 / 10).\($0 % 10) GHz" } ?? ""
    return "cpu:\(processor); cores:\(cores)\(clock); openblas:\(version) \(core); "
      + "threads:\(threads)"
  }

  /// This machine with one BLAS thread.
  package static var here: MachineFingerprint {
    func contents(_ path: String) -> String {
      String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
    return MachineFingerprint(
      processorInformation: contents("/proc/cpuinfo"),
      maximumClock: contents("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"),
      cores: ProcessInfo.processInfo.activeProcessorCount, configuration: BLASLibrary.configuration,
      core: BLASLibrary.core, threads: 1)
  }

  /// The same machine with as many BLAS threads.
  package func using(threads: Int) -> MachineFingerprint {
    var other = self
    other.threads = threads
    return other
  }

  /// How many threads BLAS may use in a run on `devices` threads, which share the cores evenly.
  package func threads(devices: Int) -> Int { max(1, cores / max(devices, 1)) }

  /// Whether what `kernel` takes depends on how many threads BLAS may use: of products, and of attention, which
  /// multiplies blocks.
  package static func dependsOnThreads(_ kernel: String) -> Bool {
    kernel == MatmulTimings.kernel || kernel.hasPrefix("attention")
  }

  /// This machine's fingerprint with `threads` BLAS threads.
  package static func current(threads: Int) -> String { here.using(threads: threads).text }

  /// This machine's fingerprint in a run on `devices` threads, which share its cores evenly.
  package static func current(devices: Int) -> String {
    current(threads: here.threads(devices: devices))
  }

  /// This machine's fingerprint with as many BLAS threads as the library uses now.
  package static func current() -> String { current(threads: BLASLibrary.threads) }
}

extension MachineFingerprint {
  /// The first processor's name in the text of `/proc/cpuinfo`.
  ///
  /// x86 says `model name`; Arm only has numbers for the maker and the part.
  ///
  /// - Parameter information: The text of `/proc/cpuinfo`.
  /// - Returns: The name, or nil where the text has none.
  package static func processorName(in information: String) -> String? {
    let fields = fields(of: information)
    if let name = fields["model name"] { return name }
    guard let maker = fields["CPU implementer"], let part = fields["CPU part"] else { return nil }
    return "implementer \(maker) part \(part)"
  }

  /// The clock in tenths of a GHz: the highest that the system allows, or, in a virtual machine that
  /// cannot see the clock change, the one that it was given.
  ///
  /// `cpu MHz` of a processor with the flag `aperfmperf` is what the clock was a moment ago: it would
  /// make every run another machine. Tenths, as two boots of one machine measure 2596.1 and 2596.3 MHz.
  static func clock(maximum: String, in information: String) -> Int? {
    if let kilohertz = Double(maximum.trimmingCharacters(in: .whitespacesAndNewlines)) {
      return tenths(megahertz: kilohertz / 1e3)
    }
    let fields = fields(of: information)
    let flags = fields["flags"]?.split(separator: " ") ?? []
    guard !flags.contains("aperfmperf"), let megahertz = fields["cpu MHz"].flatMap(Double.init)
    else { return nil }
    return tenths(megahertz: megahertz)
  }

  private static func tenths(megahertz: Double) -> Int? {
    (1...1e6).contains(megahertz) ? Int((megahertz / 100).rounded()) : nil
  }

  /// What `/proc/cpuinfo` says of the first processor.
  private static func fields(of information: String) -> [String: String] {
    var fields: [String: String] = [:]
    for line in information.split(whereSeparator: \.isNewline) {
      let halves = line.split(separator: ":", maxSplits: 1)
      guard halves.count == 2 else { continue }
      let name = halves[0].trimmingCharacters(in: .whitespaces)
      let value = halves[1].trimmingCharacters(in: .whitespaces)
      if fields[name] == nil, !value.isEmpty { fields[name] = value }
    }
    return fields
  }

  /// The version in the library's configuration: `0.3.21` of `OpenBLAS 0.3.21 DYNAMIC_ARCH ...`.
  ///
  /// - Parameter configuration: What `openblas_get_config` answers.
  /// - Returns: The version; all of the configuration where it begins in another way.
  package static func version(in configuration: String) -> String {
    let words = configuration.split(separator: " ")
    guard words.count >= 2, words[0] == "OpenBLAS", words[1].first?.isNumber == true else {
      return configuration
    }
    return String(words[1])
  }

  /// `text` without what separates the fields, and with single spaces.
  private static func clean(_ text: String) -> String {
    text.split { $0.isWhitespace || $0 == ";" }.joined(separator: " ")
  }
}

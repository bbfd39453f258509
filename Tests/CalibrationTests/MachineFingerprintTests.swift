import Calibration
import Testing

@Suite("The machine's fingerprint")
struct MachineFingerprintTests {
  private static let configuration =
    "OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY Cooperlake MAX_THREADS=64"

  private func text(
    _ information: String, _ configuration: String = configuration, clock: String = ""
  ) -> String {
    MachineFingerprint(
      processorInformation: information, maximumClock: clock, cores: 2,
      configuration: configuration, core: "Cooperlake", threads: 1
    ).text
  }

  @Test("It names processor, cores, library, core and threads in one line")
  func line() {
    let information = """
      processor\t: 0
      vendor_id\t: AuthenticAMD
      model\t\t: 17
      model name\t: AMD EPYC 9R14  96-Core; Processor

      processor\t: 1
      model name\t: Another
      """
    #expect(
      text(information)
        == "cpu:AMD EPYC 9R14 96-Core Processor; cores:2; openblas:0.3.21 Cooperlake; threads:1")
  }

  @Test(
    "The clock is the highest allowed, else a virtual machine's, never one that the load changes")
  func clock() {
    let guest = "flags\t: fpu avx2\ncpu MHz\t: 2596.144\n"
    let host = "flags\t: fpu aperfmperf\ncpu MHz\t: 2596.144\n"
    #expect(text(guest).contains("cores:2; clock:2.6 GHz; openblas"))
    #expect(text(host).contains("cores:2; openblas"))
    #expect(text(host, clock: "3700000\n").contains("; clock:3.7 GHz; "))
    #expect(text(guest, clock: "no number").contains("; clock:2.6 GHz; "))
    #expect(!text("cpu MHz\t: -1e99\n").contains("clock"))
  }

  @Test("An Arm processor, which has no model name, is named by its maker and part")
  func arm() {
    #expect(
      MachineFingerprint.processorName(
        in: "BogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n")
        == "implementer 0x41 part 0xd40")
  }

  @Test("What says no name is unknown", arguments: ["", "model name\t:\n", "no colon\n", "::\n"])
  func unknown(information: String) {
    #expect(text(information) == "cpu:unknown; cores:2; openblas:0.3.21 Cooperlake; threads:1")
  }

  @Test("A configuration of another form is kept whole")
  func otherConfiguration() {
    #expect(
      text("", "mine;\n built 3")
        == "cpu:unknown; cores:2; openblas:mine built 3 Cooperlake; threads:1")
    #expect(MachineFingerprint.version(in: "OpenBLAS DYNAMIC_ARCH") == "OpenBLAS DYNAMIC_ARCH")
  }

  @Test("This machine's is stable, and differs in its threads alone")
  func here() {
    let one = MachineFingerprint.current(threads: 1)
    #expect(one == MachineFingerprint.current(threads: 1))
    #expect(one.hasSuffix("; threads:1"))
    #expect(!one.contains("unknown"), "\(one)")
    #expect(
      MachineFingerprint.current(threads: 3) == one.dropLast() + "3")
    #expect(MachineFingerprint.current(devices: 1 << 20) == one)
  }

  @Test(
    "Runs share the cores evenly among their devices",
    arguments: [(2, 1, 2), (2, 2, 1), (2, 8, 1), (16, 1, 16), (16, 4, 4), (16, 5, 3), (16, 32, 1)])
  func share(cores: Int, devices: Int, threads: Int) {
    var machine = MachineFingerprint.here
    machine.cores = cores
    #expect(machine.threads(devices: devices) == threads)
  }
}

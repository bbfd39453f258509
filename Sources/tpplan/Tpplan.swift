import ArgumentParser
import Glibc
import Kernels

@main
struct Tpplan: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tpplan",
    abstract: "The query planner of distributed training.",
    discussion: """
      Compiles a transformer, a cluster and a memory limit into the cheapest parallelism plan, \
      explains it, and proves it by running it on a mesh of threads.

      Exit codes: 0 yes; 1 the answer is no; 64 wrong usage; 65 bad data in a file; 66 a named \
      file, model or cluster is missing; 70 a bug of tpplan; 74 reading or writing failed.
      """,
    version: Version.current,
    subcommands: [
      SearchCommand.self, VerifyCommand.self, SweepCommand.self, AuditCommand.self,
      ExplainCommand.self,
      ExecuteCommand.self, CalibrateCommand.self, TimingsCommand.self, ExportCommand.self,
      ModelsCommand.self, ClustersCommand.self,
    ])

  static func main() {
    BLASLibrary.endIdleThreads()
    // A file that may not grow further is an error of writing it.
    signal(SIGXFSZ, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch  where exitCode(for: error) == .success {
      show(fullMessage(for: error))
    } catch {
      exit(withError: error)
    }
  }

  /// Prints a help text, the version or a completion script.
  private static func show(_ text: String) {
    do {
      try StandardOutput.print(text)
    } catch let failure as CommandFailure {
      StandardError.print("tpplan: \(failure.message)")
      exit(withError: ExitCode(failure.code))
    } catch {
      exit(withError: error)
    }
  }
}

/// The version of this program.
enum Version {
  static let current = "0.1.0"
}

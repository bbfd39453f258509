import ArgumentParser

@main
struct Tpplan: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "tpplan")
}

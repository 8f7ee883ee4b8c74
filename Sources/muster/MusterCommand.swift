import ArgumentParser

/// `muster`: what operators use.
@main
struct MusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster", abstract: "Asks and tells a Muster server.", version: "0.1.0",
        subcommands: [CallCommand.self, MethodsCommand.self])
}

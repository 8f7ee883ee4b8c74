import ArgumentParser

/// `muster`: the command for operators.
@main
struct MusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster", abstract: "Calls a Muster server.", version: "0.1.0",
        subcommands: [CallCommand.self, MethodsCommand.self])
}

import ArgumentParser

/// `muster-server`: reads the settings, wires the layers, and runs.
@main
struct MusterServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster-server",
        abstract: "An audience service on PostgreSQL.",
        discussion: SettingTable.help,
        version: version,
        subcommands: [Serve.self, Migrate.self, Workspace.self, Key.self, Verify.self, Erasures.self],
        defaultSubcommand: Serve.self)

    static func main() async {
        CrashReport.settle()
        await main(nil)
    }

    static let version = "0.1.0"
}

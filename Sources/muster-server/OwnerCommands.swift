import ArgumentParser
import Logging
import MusterHandlers
import MusterProtocol
import MusterStore
import Postgres

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `muster-server migrate`
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings the database's schema up to date; harmless when it is.",
        discussion: """
            Connects as the role that owns the tables, which must be allowed to create roles: the first time it makes \
            muster_server, the role to serve as. Each time it puts roles, policies and grants right, as after a restore or \
            another owner, and says what it changed. Two at once are safe.

            Then it erases again whom journals of erasures name, those of --erasure-journal and the one of the setting: after a \
            restore name those of all servers, with those that were put aside since the backup. Where a line is damaged the \
            rest is applied, and the exit code is 1.

            \(SettingTable.help)
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: MigrateOptions

    func run() async throws {
        var isDamaged = false
        try await withOwner(common, options.flags) { schema, settings, logger in
            // Checked before any change: a name may be mistyped.
            let files = options.journals(with: settings)
            let journals = try Journals(files: files)
            isDamaged = journals.isDamaged
            // Deadlines are long enough for the work, once PostgreSQL is up.
            try await schema.checkEncoding(deadline: .now + .seconds(30))
            let applied = try await schema.migrate(
                serverRole: settings.serverRole, logger: logger, deadline: .now + .seconds(3_600))
            try await Self.setPassword(schema, settings)
            let version = try await schema.version(deadline: .now + .seconds(30))
            logger.notice(
                schema.remark(on: version),
                metadata: ["schema": .stringConvertible(version), "applied": .stringConvertible(applied.count)])
            if !files.isEmpty { try await Self.erase(journals, schema, logger) }
        }
        if isDamaged { throw ExitCode.failure }
    }

    private static func erase(_ journals: Journals, _ schema: Schema, _ logger: Logger) async throws {
        try await schema.checkAccess(deadline: .now + .seconds(30))
        for line in journals.unread { logger.log(level: line.isDamaged ? .error : .notice, "\(line)") }
        let (named, erased) = try await journals.apply(to: schema, logger)
        logger.notice(
            "Journals of erasures applied",
            metadata: [
                "named": .stringConvertible(named), "erased": .stringConvertible(erased),
                "not_found": .stringConvertible(named - erased),
            ])
    }

    private static func setPassword(_ schema: Schema, _ settings: Settings) async throws {
        guard let password = settings.serverRolePassword else { return }
        let role = try await schema.serverRole(given: settings.serverRole, deadline: .now + .seconds(30))
        try await schema.setPassword(
            password, of: role, changesShared: settings.isSharedPasswordChanged, deadline: .now + .seconds(30)
        ) {
            guard var asServer = try? ConnectionString(settings.databaseURL) else { return false }
            (asServer["user"], asServer["password"]) = (role.name, password)
            return await asServer.isPasswordAccepted()
        }
    }
}

/// `muster-server workspace`
struct Workspace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes and lists workspaces, as the role that owns the tables.",
        subcommands: [Create.self, List.self])

    /// `muster-server workspace create`
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a workspace and its admin key, and shows the key once.")

        @OptionGroup var common: CommonOptions
        @Flag(help: "Print one JSON object.") var json = false
        @Argument(help: "What the workspace is called: one company's data.") var name: String

        func run() async throws {
            try await withOwner(common) { schema, _, _ in
                try await schema.checkEncoding(deadline: .now + .seconds(30))
                try await schema.check(deadline: .now + .seconds(30))
                try await schema.checkAccess(deadline: .now + .seconds(30))
                let made = try await NewWorkspace.make(name: name, with: schema, deadline: .now + .seconds(30))
                print(try json ? Self.object(name, made) : Self.text(name, made))
            }
        }

        private static func object(_ name: String, _ made: NewWorkspace) throws -> String {
            let object: Attributes = [
                "key_id": .string(Array(made.keyID.utf8)), "secret": .string(Array(made.adminKey.text.utf8)),
                "workspace": .string(Array(name.utf8)),
            ]
            return String(decoding: try JSONEncoding.encode(object), as: UTF8.self)
        }

        private static func text(_ name: String, _ made: NewWorkspace) -> String {
            """
            Workspace \(name) is made.

            Its admin key \(made.keyID), which may do everything in it, is shown now and never again:

                \(made.adminKey.text)

            Next, with the server running:

                export MUSTER_KEY=…
                muster call keys.create '{"kind":"import","partner":"tinyclues","name":"Tinyclues"}'
            """
        }
    }

    /// `muster-server workspace list`
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the workspaces, oldest first.")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await withOwner(common) { schema, _, _ in
                try await schema.check(deadline: .now + .seconds(30))
                for workspace in try await schema.workspaces(deadline: .now + .seconds(30)) {
                    print("\(workspace.id.rawValue)\t\(workspace.createdAt.iso8601)\t\(workspace.name)")
                }
            }
        }
    }
}

/// Runs the work of the tables' owner, on one connection.
func withOwner(
    _ common: CommonOptions, _ flags: [String: String] = [:],
    _ body: (Schema, Settings, Logger) async throws -> Void
) async throws {
    let settings = try await Settings.load(common, flags)
    try settings.checkDatabase()
    let logger = settings.makeLogger()
    settings.logIgnoredVariables(logger)
    var database = settings.database
    database.connections = 1
    // Waits for a PostgreSQL that is still starting.
    database.outagePatienceMilliseconds = nil
    let opened = Database(database, logger: logger)
    do { try await body(Schema(database: opened), settings, logger) } catch {
        await opened.close()
        throw Failure(error)
    }
    await opened.close()
}

extension Schema {
    /// Throws if no server could serve this database, before any table is made in it.
    fileprivate func checkEncoding(deadline: ContinuousClock.Instant) async throws {
        let encoding = try await facts(deadline: deadline).encoding
        guard encoding == "UTF8" else { throw Failure.encoding(encoding) }
    }
}

extension Settings {
    /// Loads settings from the command line and the environment of this process.
    static func load(_ common: CommonOptions, _ flags: [String: String]) async throws -> Settings {
        try await load(
            flags: common.flags.merging(flags) { $1 }, environment: ProcessInfo.processInfo.environment,
            file: common.config)
    }
}

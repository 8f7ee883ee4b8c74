import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The flags of settings that every command has.
struct CommonOptions: ParsableArguments {
    @Option(help: "A JSON file with settings.") var config: String?
    @Option(help: .of(\.databaseURL)) var databaseUrl: String?
    @Option(help: .of(\.logLevel)) var logLevel: String?
    @Option(help: .of(\.logFormat)) var logFormat: String?

    /// The values of the flags, by key.
    var flags: [String: String] {
        ["database.url": databaseUrl, "log.level": logLevel, "log.format": logFormat].compactMapValues(\.self)
    }
}

/// The flags of settings that only `serve` has, as the table lists them.
struct ServeOptions: ParsableArguments {
    @Argument(parsing: .allUnrecognized, help: "Flags of settings: see below.") var settings: [String] = []

    mutating func validate() throws { _ = try SettingFlags(settings, of: .serve) }

    /// The values of the flags, by key.
    var flags: [String: String] { (try? SettingFlags(settings, of: .serve).values) ?? [:] }
}

/// The flags of settings that only `migrate` has.
struct MigrateOptions: ParsableArguments {
    @Option(help: "A journal of erasures to apply, beside that of the setting; may be given more than once.")
    var erasureJournal: [String] = []
    @Argument(parsing: .allUnrecognized, help: "Flags of settings: see below.") var settings: [String] = []

    mutating func validate() throws { _ = try SettingFlags(settings, of: .migrate) }

    /// The values of the flags, by key.
    var flags: [String: String] { (try? SettingFlags(settings, of: .migrate).values) ?? [:] }

    /// The files to apply. The file of the setting may not exist: a server makes it with the first erasure.
    func journals(with settings: Settings) -> [String] {
        guard let own = settings.erasureJournal, !erasureJournal.contains(own), access(own, F_OK) == 0 else {
            return erasureJournal
        }
        return erasureJournal + [own]
    }
}

/// The flags of settings on a command line: `--listen-port 7878`, `--listen-port=7878`, `--rest-insecure`.
struct SettingFlags {
    /// Values by key.
    private(set) var values: [String: String] = [:]

    /// Throws a `ValidationError` for unknown flags of this command.
    init(_ arguments: [String], of command: SettingCommand) throws {
        let settings = SettingTable.all.filter { $0.command == command }
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard argument.hasPrefix("-") else { throw ValidationError("Unexpected argument '\(argument)'") }
            guard let name = parts.first, let setting = settings.first(where: { $0.flag == String(name) }) else {
                throw ValidationError("Unknown option '\(parts[0])'")
            }
            values[setting.key] = try Self.value(of: setting, parts.dropFirst().first, &rest)
        }
    }

    private static func value(
        of setting: any AnySetting, _ attached: Substring?, _ rest: inout ArraySlice<String>
    ) throws -> String {
        let flag = setting.flag ?? ""
        if setting.isSwitch {
            guard attached == nil else { throw ValidationError("The option '\(flag)' takes no value") }
            return "true"
        }
        if let attached { return String(attached) }
        guard let value = rest.first, !value.hasPrefix("--") else {
            throw ValidationError("Missing value for '\(flag) <value>'")
        }
        rest.removeFirst()
        return value
    }
}

extension ArgumentHelp {
    /// The help line of a setting in the table.
    fileprivate static func of<Value>(_ path: KeyPath<SettingTable, Setting<Value>>) -> ArgumentHelp {
        let setting = SettingTable.shared[keyPath: path]
        return ArgumentHelp("\(setting.help)\(setting.standard.isEmpty ? "" : " (default: \(setting.standard))")")
    }
}

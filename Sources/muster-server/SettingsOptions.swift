import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The flags of settings that every command has.
struct CommonOptions: ParsableArguments {
    @Option(help: "A JSON file with settings.") var config: String?
    @Option(help: .of(.databaseURL)) var databaseUrl: String?
    @Option(help: .of(.logLevel)) var logLevel: String?
    @Option(help: .of(.logFormat)) var logFormat: String?

    var flags: [Setting: String] {
        given([.databaseURL: databaseUrl, .logLevel: logLevel, .logFormat: logFormat])
    }
}

/// The flags of settings that only `serve` has.
struct ServeOptions: ParsableArguments {
    @Option(help: .of(.databaseConnections)) var databaseConnections: String?
    @Option(help: .of(.listenHost)) var listenHost: String?
    @Option(help: .of(.listenPort)) var listenPort: String?
    @Flag(help: .of(.listenInsecure)) var listenInsecure = false
    @Option(help: .of(.restHost)) var restHost: String?
    @Option(help: .of(.restPort)) var restPort: String?
    @Flag(help: .of(.restInsecure)) var restInsecure = false
    @Option(help: .of(.restRequestsPerHour)) var restRequestsPerHour: String?
    @Option(help: .of(.restServiceRequestsPerHour)) var restServiceRequestsPerHour: String?
    @Option(help: .of(.opsHost)) var opsHost: String?
    @Option(help: .of(.opsPort)) var opsPort: String?
    @Flag(help: .of(.opsInsecure)) var opsInsecure = false
    @Option(help: .of(.connections)) var connectionsMost: String?
    @Option(help: .of(.unauthenticatedConnections)) var connectionsStrangers: String?
    @Option(help: .of(.connectionsPerAddress)) var connectionsPerAddress: String?
    @Flag(help: .of(.proxyProtocol)) var connectionsProxyProtocol = false
    @Option(help: .of(.tlsCertificate)) var tlsCertificate: String?
    @Option(help: .of(.tlsKey)) var tlsKey: String?
    @Option(help: .of(.publicRESTURL)) var publicRestUrl: String?
    @Option(help: .of(.cacheMB)) var cacheMb: String?
    @Option(help: .of(.lockTimeout)) var lockTimeoutMs: String?
    @Option(help: .of(.shutdownDelaySeconds)) var shutdownDelaySeconds: String?
    @Option(help: .of(.drainSeconds)) var drainSeconds: String?
    @Option(help: .of(.historyDays)) var historyDays: String?
    @Option(help: .of(.exportKeepHours)) var exportsKeepHours: String?
    @Option(help: .of(.erasureJournal)) var erasureJournal: String?
    @Option(help: .of(.eventDays)) var eventsRetentionDays: String?
    @Option(help: .of(.upkeepSeconds)) var upkeepSeconds: String?
    @Flag(help: .of(.allowOwnerRole)) var allowOwnerRole = false
    @Flag(help: .of(.exitOnRefusal)) var exitOnRefusal = false

    var flags: [Setting: String] {
        given([
            .databaseConnections: databaseConnections, .listenHost: listenHost, .listenPort: listenPort,
            .restHost: restHost, .restPort: restPort, .restRequestsPerHour: restRequestsPerHour,
            .restServiceRequestsPerHour: restServiceRequestsPerHour,
            .opsHost: opsHost, .opsPort: opsPort,
            .listenInsecure: listenInsecure ? "true" : nil, .restInsecure: restInsecure ? "true" : nil,
            .opsInsecure: opsInsecure ? "true" : nil,
            .connections: connectionsMost, .unauthenticatedConnections: connectionsStrangers,
            .connectionsPerAddress: connectionsPerAddress,
            .proxyProtocol: connectionsProxyProtocol ? "true" : nil,
            .tlsCertificate: tlsCertificate, .tlsKey: tlsKey,
            .publicRESTURL: publicRestUrl, .cacheMB: cacheMb, .lockTimeout: lockTimeoutMs,
            .shutdownDelaySeconds: shutdownDelaySeconds, .drainSeconds: drainSeconds, .historyDays: historyDays,
            .exportKeepHours: exportsKeepHours, .erasureJournal: erasureJournal,
            .eventDays: eventsRetentionDays, .upkeepSeconds: upkeepSeconds,
            .allowOwnerRole: allowOwnerRole ? "true" : nil, .exitOnRefusal: exitOnRefusal ? "true" : nil,
        ])
    }
}

/// The flags of settings that only `migrate` has.
struct MigrateOptions: ParsableArguments {
    @Option(help: "A journal of erasures to apply, beside that of the setting; may be given more than once.")
    var erasureJournal: [String] = []
    @Option(help: .of(.serverRole)) var serverRole: String?
    @Flag(help: .of(.changeSharedPassword)) var changeSharedPassword = false

    var flags: [Setting: String] {
        given([.serverRole: serverRole, .changeSharedPassword: changeSharedPassword ? "true" : nil])
    }

    /// The files to apply. That of the setting may not be there: a server makes it with the first erasure.
    func journals(with settings: Settings) -> [String] {
        guard let own = settings.erasureJournal, !erasureJournal.contains(own), access(own, F_OK) == 0 else {
            return erasureJournal
        }
        return erasureJournal + [own]
    }
}

private func given(_ flags: [Setting: String?]) -> [Setting: String] { flags.compactMapValues(\.self) }

extension ArgumentHelp {
    /// The line of the table.
    fileprivate static func of(_ setting: Setting) -> ArgumentHelp {
        let standard = setting.standard.isEmpty || setting.standard == "false" ? "" : " (default: \(setting.standard))"
        return ArgumentHelp("\(setting.help)\(standard)")
    }
}

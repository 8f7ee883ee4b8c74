import Foundation
import TestSupport
import Testing

@testable import Postgres

/// Permanent problems of a connection are distinguished from temporary ones.
@Suite struct RefusalTests {
    private func reading(_ text: String, needsPassword: Bool = false) -> PostgresError {
        ConnectionFailure(text, needsPassword: needsPassword).error
    }

    private let server = #"connection to server at "db", port 5432 failed: "#

    @Test func theSQLSTATEDecidesInEveryServerLanguage() {
        let german = reading(
            server + "FATAL:  28P01: Passwort-Authentifizierung für Benutzer »muster« fehlgeschlagen\n"
                + "LOCATION:  auth_failed, auth.c:326\n")
        #expect(german.isRefusal && german.sqlState == SQLState(rawValue: "28P01"))
        #expect(german.message.hasSuffix("Passwort-Authentifizierung für Benutzer »muster« fehlgeschlagen"))
        #expect(german.cause.hasSuffix("check the user and the password of the connection string"))
        #expect(!german.message.contains("LOCATION") && !german.message.contains("28P01"))
        let russian = reading(server + "ВАЖНО:  57P03: система баз данных запускается\n")
        #expect(!russian.isRefusal && russian.sqlState == .cannotConnectNow)
    }

    @Test(arguments: ["28000", "28P01", "3D000", "42501", "42704", "22023"])
    func aConfigurationErrorIsARefusal(_ state: String) {
        let error = reading(server + "FATAL:  \(state): no\n")
        #expect(error.isRefusal && !error.isTransient && error.hint != nil)
    }

    @Test(arguments: ["53300", "57P03", "57P01", "55000", "08006"])
    func aTransientErrorIsNotARefusal(_ state: String) {
        let error = reading(server + "FATAL:  \(state): database \"x\" is not currently accepting connections\n")
        #expect(!error.isRefusal && error.isTransient)
    }

    @Test(arguments: [
        "FATAL:  08P01: unsupported startup parameter: options", #"FATAL:  08P01: "trust" authentication failed"#,
        #"FATAL:  08P01: database "nothing" does not exist"#, #"FATAL:  08P01: role "nobody" does not exist"#,
        "server does not support SSL, but SSL was required", "SSL error: certificate verify failed",
        "fe_sendauth: no password supplied",
    ])
    func poolersAndLibpqAreRecognisedByTheirMessages(_ words: String) {
        #expect(reading(server + words + "\n").isRefusal)
    }

    @Test(arguments: [
        "FATAL:  08P01: server login has been failing, try again later (server_login_retry)",
        "FATAL:  08P01: no more connections allowed (max_client_conn)",
        #"FATAL:  08P01: database "shut" is not currently accepting connections"#,
        "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        "server closed the connection unexpectedly", "session is read-only",
    ])
    func aConditionThatAPoolerWaitsForIsTransient(_ words: String) {
        #expect(!reading(server + words + "\n").isRefusal)
    }

    @Test func severalHostsAreRefusedOnlyTogether() {
        let refused = server + "FATAL:  28000: role \"nobody\" does not exist\n"
        let away = server + "Connection refused\n\tIs the server running on that host?\n"
        #expect(reading(refused + refused).isRefusal)
        #expect(!reading(refused + away).isRefusal && !reading(away + refused).isRefusal)
        #expect(!reading("could not translate host name \"db\" to address: Name or service not known\n").isRefusal)
        let unknown = "could not translate host name \"other\" to address: Name or service not known\n"
        #expect(!reading(refused + unknown).isRefusal && !reading(unknown + refused).isRefusal)
        #expect(!reading(away + server + "fe_sendauth: no password", needsPassword: true).isRefusal)
        #expect(reading(refused + server + "no password", needsPassword: true).isRefusal)
        #expect(reading("invalid port number: \"99999\"\n").isRefusal)
        #expect(reading("invalid integer value \"many\" for connection option \"port\"\n").isRefusal)
        #expect(reading(server + "something", needsPassword: true).isRefusal)
    }

    /// Libpq's messages about a missing service file or section, and about an invalid hostaddr.
    @Test(arguments: [
        "definition of service \"nope\" not found", "service file \"/etc/pg_service.conf\" not found",
        "syntax error in service file \"/etc/pg_service.conf\", line 3",
        "could not parse network address \"300.1.1.1\": Name or service not known",
    ])
    func aWrongNameInTheConnectionStringIsARefusal(_ words: String) {
        let error = reading(words + "\n")
        #expect(error.isRefusal && error.hint == ConnectionFailure.checkString, "\(error)")
    }

    @Test func libpqReportsTheExpectedMessages() async throws {
        for wrong in ["service=muster-nope", "hostaddr=300.1.1.1"] {
            try await withDatabase(at: wrong) { database in
                try await untilTrue { database.refusal != nil }
            }
        }
    }

    /// As in every other setting, and as libpq has it in a URL.
    @Test func bracketsAroundAnIPv6AddressAreRemoved() throws {
        for (written, read) in [("[::1]", "::1"), ("a,[fd00::7],b", "a,fd00::7,b"), ("[a]", "[a]"), ("[::1", "[::1")] {
            for keyword in ["host", "hostaddr"] {
                let string = try ConnectionString("\(keyword)=\(written) port=1")
                #expect(string[keyword] == read && string["port"] == "1", "\(keyword)=\(written)")
            }
        }
        #expect(try ConnectionString("postgresql://[::1]/d")["host"] == "::1")
        #expect(
            try ConnectionTarget(DatabaseSettings(connectionString: "host=[::1] port=1")).keywords.contains {
                $0 == ("host", "::1")
            })
    }

    /// The server answers the first statements of a session, which set its settings, with an ERROR.
    @Test(arguments: [
        ("22023", true), ("42704", true), ("55P02", true), ("42501", true), ("53200", false), ("XX000", false),
    ])
    func onlyAnInvalidSettingMakesTheFirstStatementARefusal(_ state: String, _ isRefusal: Bool) {
        var error = PostgresError(.server, "no")
        error.sqlState = SQLState(rawValue: state)
        #expect(error.ofConnecting.isRefusal == isRefusal)
        #expect(error.ofConnecting.kind == .unavailable && (error.ofConnecting.hint != nil) == isRefusal)
    }

    /// As libpq has it, though what the string's options say is set by statement.
    @Test func optionsOfTheConnectionStringReplacePGOPTIONS() async throws {
        setenv("PGOPTIONS", "-c geqo=off", 1)
        defer { unsetenv("PGOPTIONS") }
        for (options, geqo) in [(nil, "off"), ("-c jit=off", "on"), ("-S 1024", "on"), ("", "on")] {
            var string = try ConnectionString(try databaseURL())
            string["options"] = options
            try await withDatabase(at: string.text) { database in
                let found = try await database.read(deadline: soon, "SELECT current_setting('geqo')") {
                    try $0.value(0, as: String.self)
                }
                #expect(found == [geqo], "\(options ?? "-")")
            }
        }
    }

    @Test func optionsOfTheConnectionStringAreSettings() {
        #expect(
            StartupOptions(#"-c search_path=a\ b,c --lock-timeout=7  -cjit=off"#)?.settings
                == ["search_path": "a b,c", "lock_timeout": "7", "jit": "off"])
        for other in ["-S 64MB", "-c", "-c nothing", "nonsense"] { #expect(StartupOptions(other) == nil) }
    }
}

/// The same with a server that refuses connections.
@Suite(
    .enabled(if: PrivateCluster.isPossible, "these tests change who may connect, and no PostgreSQL is installed here"))
struct RefusingServerTests {
    /// A server that `few` may connect to with a password, `muster` without, and no other role.
    private func withServer(_ body: (PrivateCluster, _ admin: Database) async throws -> Void) async throws {
        try await PrivateCluster.withStopped { server in
            try await server.start()
            try await withDatabase(at: server.url) { admin in
                try await admin.withConnection(deadline: soon) { connection in
                    for statement in [
                        "CREATE ROLE few LOGIN PASSWORD 'right'",
                        "CREATE DATABASE shut", "CREATE DATABASE private",
                        "ALTER DATABASE shut ALLOW_CONNECTIONS false", "REVOKE CONNECT ON DATABASE private FROM public",
                    ] { try connection.run(script: statement) }
                }
                try server.setAuthentication([
                    "host all muster 127.0.0.1/32 trust", "host all few 127.0.0.1/32 scram-sha-256",
                ])
                // The server reads the file a moment later.
                try await untilTrue { try await connecting(server, "user=few").cause.contains("the password") }
                try await body(server, admin)
            }
        }
    }

    private func connecting(_ server: PrivateCluster, _ more: String) async throws -> PostgresError {
        try await withDatabase(at: adding(more, to: server.url)) { database in
            try await failure {
                try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
            }
        }
    }

    @Test func eachCauseIsReportedAtOnceWithItsRemedy() async throws {
        try await withServer { server, _ in
            for (more, words) in [
                ("user=few password=wrong", "the password"), ("user=few", "the password"),
                ("user=nobody", "check the user"), ("dbname=nothing", "create the database"),
                ("user=few password=right dbname=private", "grant CONNECT"), ("sslmode=require", "sslmode"),
                ("options='-c nonsense=1'", "setting"), ("options='-c lock_timeout=long'", "setting"),
            ] {
                let asked = ContinuousClock.now
                let error = try await connecting(server, more)
                // Before the deadline.
                #expect(ContinuousClock.now - asked < .seconds(8), "\(more)")
                #expect(error.kind == .unavailable && error.isRefusal, "\(more): \(error)")
                #expect(error.cause.contains(words), "\(more): \(error.cause)")
                #expect(!error.cause.contains("wrong") && !"\(error)".contains("wrong"))
            }
        }
    }

    @Test func aTemporarilyClosedDatabaseIsWaitedFor() async throws {
        try await withServer { server, admin in
            try await withDatabase(at: adding("dbname=shut", to: server.url)) { database in
                async let waiting: Void = database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
                try await Task.sleep(for: .milliseconds(300))
                #expect(database.refusal == nil)
                try await admin.withConnection(deadline: soon) {
                    try $0.run(script: "ALTER DATABASE shut ALLOW_CONNECTIONS true")
                }
                try await waiting
            }
        }
    }

    /// Attempts that are given up because the database is closed say nothing of PostgreSQL.
    @Test func closingLogsNoWarning() async throws {
        let silent = try LoopbackSocket()
        let log = CapturedLog()
        let url = "host=127.0.0.1 port=\(silent.port) user=muster dbname=postgres"
        try await withDatabase(at: url, logger: log.logger) { _ in try await untilTrue { silent.hasPendingConnection } }
        #expect(log.warnings == [])
    }

    @Test func aRefusalIsLoggedOnceAndEndsWhenItsCauseIsFixed() async throws {
        try await withServer { server, admin in
            let log = CapturedLog()
            try await withDatabase(
                { $0.connections = 4 }, at: adding("user=few password=new", to: server.url), logger: log.logger
            ) {
                database in
                try await untilTrue { database.refusal != nil }
                try await Task.sleep(for: .milliseconds(700))
                #expect(
                    log.warnings.count == 1 && log.warnings.first?.contains("check the user") == true, "\(log.warnings)"
                )
                try await admin.withConnection(deadline: soon) {
                    try $0.run(script: "ALTER ROLE few PASSWORD 'new'")
                }
                try await untilTrue { database.refusal == nil && database.statistics.connected > 0 }
                try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
                #expect(log.warnings.count == 1, "\(log.warnings)")
            }
        }
    }
}

import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// A `muster-server` in a process of its own, as operators run it; a test can kill it, and it always ends with its
/// test.
final class ServerProcess: Sendable {
    struct NotFound: Error {}
    struct NotServing: Error {}

    let port: UInt16
    private let child: ChildProcess

    /// Starts `muster-server serve` on `port` and returns at once.
    ///
    /// - Parameters:
    ///   - settings: variables of its environment.
    ///   - errors: the file for its standard error.
    ///   - openFiles: the limit of open files.
    private init(
        _ databaseURL: String, port: UInt16, settings: [String: String], errors: String?, openFiles: Int? = nil
    ) throws {
        self.port = port
        let variables = [
            "MUSTER_DATABASE_URL": databaseURL, "MUSTER_LISTEN_PORT": "\(port)", "MUSTER_REST_PORT": "0",
            "MUSTER_OPS_PORT": "0",
            "MUSTER_MAINTENANCE_SECONDS": "1",
            "MUSTER_LOG_LEVEL": "critical",
        ]
        let limit = openFiles.map { ["/usr/bin/env", "prlimit", "--nofile=\($0)"] } ?? []
        child = try ChildProcess(
            limit + [try Self.binary("muster-server"), "serve"], variables.merging(settings) { $1 }, errors: errors)
    }

    /// Calls `body` with a started server that may not serve yet, and always stops it.
    ///
    /// - Parameters:
    ///   - port: a free one by default.
    ///   - settings: variables of its environment.
    ///   - errors: the file for its standard error.
    static func with<R>(
        _ databaseURL: String, port: UInt16? = nil, settings: [String: String] = [:], errors: String? = nil,
        openFiles: Int? = nil, _ body: (ServerProcess) async throws -> R
    ) async throws -> R {
        let server = try ServerProcess(
            databaseURL, port: try port ?? Loopback.freePort(), settings: settings, errors: errors, openFiles: openFiles
        )
        return try await cleaningUp({ await server.child.remove() }, after: { try await body(server) })
    }

    /// Calls `body` with an object that starts servers, and always stops them all.
    static func withSeveral<R>(_ databaseURL: String, _ body: (Starter) async throws -> R) async throws -> R {
        let starter = Starter(databaseURL)
        return try await cleaningUp(
            { for server in starter.started { await server.child.remove() } }, after: { try await body(starter) })
    }

    /// Starts servers of one database.
    final class Starter {
        private let databaseURL: String
        fileprivate private(set) var started: [ServerProcess] = []

        fileprivate init(_ databaseURL: String) { self.databaseURL = databaseURL }

        /// Starts a server and returns at once; `settings` are variables of its environment.
        func start(port: UInt16, _ settings: [String: String] = [:]) throws -> ServerProcess {
            let server = try ServerProcess(databaseURL, port: port, settings: settings, errors: nil)
            started.append(server)
            return server
        }
    }

    /// Calls `body` with a serving server, a client of it that retries nothing, and its database. Ends the server like
    /// an operator, unless `body` has done so.
    ///
    /// - Parameter authorities: the file that the client trusts; without one it uses plaintext.
    static func withServing(
        _ settings: [String: String] = [:], authorities: String? = nil, errors: String? = nil,
        _ body: (ServerProcess, MusterClient, TestDatabase) async throws -> Void
    ) async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await with(database.serverURL, settings: settings, errors: errors) { server in
                func client(repeats: Bool) -> MusterClient {
                    Self.client(port: server.port, key: key) {
                        $0.repeats = repeats
                        if let authorities { $0.security = .tls(authoritiesFile: authorities) }
                    }
                }
                let (patient, once) = (client(repeats: true), client(repeats: false))
                try await cleaningUp(
                    { for client in [patient, once] { await client.close() } },
                    after: {
                        try await patient.untilServing()
                        try await body(server, once, database)
                    })
                if !server.child.hasEnded { await server.stop() }
            }
        }
    }

    /// Nil after its end: its number may belong to another process then.
    func send(_ signal: Int32) { child.send(signal) }

    /// Waits for the end of the process and returns its exit code, or -1 after a signal.
    func ended() async -> Int32 { await child.ended() }

    /// Ends it like an operator, and expects a clean end.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) async {
        send(SIGTERM)
        #expect(await ended() == 0, sourceLocation: sourceLocation)
    }

    /// Runs another program of this build to its end; returns its output and its exit code.
    static func run(
        _ program: String, _ arguments: [String], _ environment: [String: String]
    ) async throws -> (status: Int32, output: String) {
        try await withTemporaryFile { file in
            let child = try ChildProcess([try binary(program)] + arguments, environment, output: file, errors: file)
            let status = await child.ended()
            return (status, try String(contentsOfFile: file, encoding: .utf8))
        }
    }

    /// A server that must end by itself, within 15 seconds; returns its exit code and output.
    static func untilEnded(
        _ databaseURL: String, _ settings: [String: String] = [:], openFiles: Int? = nil
    ) async throws -> (status: Int32, said: String) {
        try await withTemporaryFile { file in
            try await with(databaseURL, settings: settings, errors: file, openFiles: openFiles) { server in
                let status = await server.child.ended(within: .seconds(15))
                return (status, try String(contentsOfFile: file, encoding: .utf8))
            }
        }
    }

    /// Runs a command to its end, ignoring its output; returns the exit code.
    static func run(_ arguments: [String], databaseURL: String) async throws -> Int32 {
        try await ChildProcess([try binary("muster-server")] + arguments, ["MUSTER_DATABASE_URL": databaseURL]).ended()
    }

    /// A client of this server, or of its successor on the same port.
    static func client(port: UInt16, key: Secret, _ change: (inout MusterClientSettings) -> Void = { _ in })
        -> MusterClient
    {
        var settings = MusterClientSettings(host: "127.0.0.1", port: Int(port), key: key.text, security: .plaintext)
        settings.deadline = .seconds(30)
        settings.firstPause = .milliseconds(20)
        settings.longestPause = .milliseconds(200)
        change(&settings)
        return MusterClient(settings, logger: quietLogger)
    }

    /// The product of this build stands beside the tests.
    static func binary(_ name: String) throws -> String {
        let places = [
            CommandLine.arguments[0],
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "",
        ]
        let candidates = (places + CommandLine.arguments).map {
            URL(filePath: $0).deletingLastPathComponent().appending(path: name).path
        }
        guard let path = candidates.first(where: FileManager.default.isExecutableFile(atPath:)) else {
            throw NotFound()
        }
        return path
    }
}

extension MusterClient {
    /// Returns when the server answers.
    func untilServing() async throws {
        _ = try await send(SetPartner(partner: "tinyclues"))
    }
}

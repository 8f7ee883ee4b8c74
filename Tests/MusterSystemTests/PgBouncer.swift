import Foundation
import Glibc
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// A private pgbouncer in front of the PostgreSQL of `DATABASE_URL`.
final class PgBouncer: Sendable {
    struct NotStarted: Error {}

    static let isPossible =
        FileManager.default.isExecutableFile(atPath: "/usr/sbin/pgbouncer")
        && (geteuid() != 0 || FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"))
    static let isMissing: Comment = "there is no pgbouncer (Debian: apt-get install pgbouncer)"

    private let directory: URL
    private let port: UInt16
    private let child: ChildProcess

    /// Calls `body` with a pooler whose configuration has these lines.
    static func with(_ lines: String, before url: String, _ body: (PgBouncer) async throws -> Void) async throws {
        let pooler = try PgBouncer(lines, before: url)
        try await cleaningUp(
            {
                pooler.child.send(SIGTERM)
                _ = await pooler.child.ended(within: .seconds(10))
                try? FileManager.default.removeItem(at: pooler.directory)
            },
            after: {
                try await pooler.untilListening()
                try await body(pooler)
            })
    }

    private init(_ lines: String, before url: String) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "muster-pooler-\(UUID().uuidString)")
        port = try Loopback.freePort()
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Self.write(lines, before: url, port: port, into: directory)
        let file = directory.appending(path: "pgbouncer.ini").path
        // It refuses to run as root.
        let identity = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        child = try ChildProcess((geteuid() == 0 ? identity : []) + ["/usr/sbin/pgbouncer", "-q", file])
    }

    /// The connection string of a server that connects through the pooler.
    func url(for direct: String, _ more: String = "") throws -> String {
        var string = try ConnectionString(direct)
        (string["host"], string["port"]) = ("127.0.0.1", "\(port)")
        return string.text + " " + more
    }

    /// Loads another configuration, as an operator would.
    func reload(_ lines: String, before url: String) throws {
        try Self.write(lines, before: url, port: port, into: directory)
        child.send(SIGHUP)
    }

    private func untilListening() async throws {
        guard await eventually({ Loopback.accepts(port) }) else { throw NotStarted() }
    }

    private static func write(_ lines: String, before url: String, port: UInt16, into directory: URL) throws {
        let string = try ConnectionString(url)
        let place = ["host", "port"].compactMap { name in string[name].map { "\(name)=\($0)" } }
        let users = directory.appending(path: "users.txt")
        let owner = try ConnectionString(url)
        try Data("\"muster_server\" \"muster-tests\"\n\"\(owner["user"] ?? "")\" \"\(owner["password"] ?? "")\"\n".utf8)
            .write(to: users)
        let configuration = """
            [databases]
            * = \(place.joined(separator: " "))
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = trust
            auth_file = \(users.path)
            \(lines)
            """
        try Data("\(configuration)\n".utf8).write(to: directory.appending(path: "pgbouncer.ini"))
        for file in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            chmod(directory.appending(path: file).path, 0o644)
        }
        chmod(directory.path, 0o755)
    }
}

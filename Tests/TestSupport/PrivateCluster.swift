import Foundation
import Glibc

/// A PostgreSQL of one test, for what would disturb other tests: stopping it, changing its settings or who may connect.
public struct PrivateCluster: Sendable {
    /// The error where `scripts/postgres` fails or the server cannot be reached.
    public struct Failed: Error { let step: String }

    /// The connection string of its superuser, `muster`.
    public let url: String
    /// Its port on 127.0.0.1; nil where it is reached by a Unix socket.
    public let port: UInt16?
    private let directory: URL

    /// Whether PostgreSQL's programs are installed; a test that needs them is skipped otherwise.
    public static let isPossible: Bool = {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        return versions.contains {
            FileManager.default.isExecutableFile(atPath: "/usr/lib/postgresql/\($0)/bin/pg_ctl")
        }
    }()

    /// Runs `body` with a running server that is reached by a Unix socket, and removes it.
    public static func with<R>(_ body: (PrivateCluster) async throws -> R) async throws -> R {
        try await withDirectory { directory in
            try await script("start", directory)
            let text = try String(contentsOf: directory.appending(path: "start.out"), encoding: .utf8)
            let url = text.trimmingCharacters(in: .whitespacesAndNewlines)
            return try await body(PrivateCluster(url: url, port: nil, directory: directory))
        }
    }

    /// Runs `body` with a server that `body` starts and stops, and removes it. Its address is known before: a TCP port.
    public static func withStopped<R>(_ body: (PrivateCluster) async throws -> R) async throws -> R {
        let port = try Loopback.freePort()
        let url = "host=127.0.0.1 port=\(port) user=muster dbname=postgres"
        return try await withDirectory { directory in
            try await body(PrivateCluster(url: url, port: port, directory: directory))
        }
    }

    /// Starts the server and waits until it accepts connections.
    public func start() async throws {
        try await Self.script("start", directory, port.map { "PG_PORT=\($0)" } ?? "")
    }

    /// Stops the server; its data stays.
    public func stop() async throws { try await Self.script("stop", directory) }

    /// Replaces `pg_hba.conf`, which says who may connect and how. The server reads it a moment later.
    public func setAuthentication(_ lines: [String]) throws {
        let data = try String(contentsOf: directory.appending(path: "data"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        // In place, since the file belongs to the server's user.
        let file = URL(filePath: data + "/pg_hba.conf")
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: file)
        let status = try String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8)
        guard let process = status.split(separator: "\n").first.flatMap({ pid_t($0) }), kill(process, SIGHUP) == 0
        else {
            throw Failed(step: "reload")
        }
    }

    private static func withDirectory<R>(_ body: (URL) async throws -> R) async throws -> R {
        let directory = FileManager.default.temporaryDirectory.appending(path: "muster-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return try await cleaningUp(
            {
                try await script("stop", directory)
                try FileManager.default.removeItem(at: directory)
            }, after: { try await body(directory) })
    }

    /// Not by `Process`, which waits until the server has ended too, since that inherits a socket; and not on a thread
    /// of the concurrency pool, of which there are as few as cores.
    private static func script(_ command: String, _ directory: URL, _ variables: String = "") async throws {
        let (script, path) = (Repository.file("scripts/postgres").path, directory.path)
        let status = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let options = "PG_OPTIONS='-c fsync=off' \(variables)"
                let command = "\(options) '\(script)' \(command) '\(path)' >'\(path)/\(command).out' 2>&1"
                continuation.resume(returning: shell(command))
            }
        }
        guard status == 0 else { throw Failed(step: command) }
    }

    private static func shell(_ command: String) -> Int32 {
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] =
            (["/bin/sh", "-c", command] as [String]).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var actions = onlyStandardFiles()
        defer { posix_spawn_file_actions_destroy(&actions) }
        guard posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ) == 0 else { return -1 }
        var status: Int32 = -1
        while waitpid(process, &status, 0) == -1, errno == EINTR {}
        return status
    }
}

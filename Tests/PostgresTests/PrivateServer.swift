import Foundation
import Glibc
import Postgres
import Testing

/// A PostgreSQL of a test's own, for what cannot be done to one that others use: stop it, or change its settings.
struct PrivateServer {
    let directory: URL
    let port: UInt16

    /// Reached by TCP, so that its address is known before it is there.
    var url: String { "host=127.0.0.1 port=\(port) user=muster dbname=postgres" }

    static let isPossible = hasServer

    private static var hasServer: Bool {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        return versions.contains {
            FileManager.default.isExecutableFile(atPath: "/usr/lib/postgresql/\($0)/bin/pg_ctl")
        }
    }

    static func with<R>(_ body: (PrivateServer) async throws -> R) async throws -> R {
        let directory = FileManager.default.temporaryDirectory.appending(path: "postgres-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let server = PrivateServer(directory: directory, port: try freePort())
        let result: Result<R, any Error>
        do { result = .success(try await body(server)) } catch { result = .failure(error) }
        try await server.stop()
        try FileManager.default.removeItem(at: directory)
        return try result.get()
    }

    func start() async throws {
        try await Self.run("start", directory.path, "-c fsync=off -c listen_addresses=127.0.0.1 -c port=\(port)")
    }

    func stop() async throws { try await Self.run("stop", directory.path, "") }

    /// Not by `Process`: it waits until the server has ended too, which inherits a socket of it. And not on a thread of
    /// the concurrency pool, of which there are as few as cores.
    private static func run(_ command: String, _ directory: String, _ options: String) async throws {
        let script = URL(filePath: #filePath).appending(path: "../../../scripts/postgres").standardized.path
        let status = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    returning: shell("PG_OPTIONS='\(options)' '\(script)' \(command) '\(directory)' >/dev/null"))
            }
        }
        guard status == 0 else { throw Sentence("scripts/postgres \(command) failed") }
    }

    private static func shell(_ command: String) -> Int32 {
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] =
            (["/bin/sh", "-c", command] as [String]).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else { return -1 }
        var status: Int32 = -1
        while waitpid(process, &status, 0) == -1, errno == EINTR {}
        return status
    }

    /// Below the ports that the kernel gives to outgoing connections, or one of those could have it a moment later.
    private static func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            if let port = try? SilentServer(port: .random(in: 20_000..<32_000)).port { return port }
        }
        throw Sentence("no port is free")
    }
}

/// A server that takes connections and never says a word, as a host behind a broken network does.
final class SilentServer {
    let port: UInt16
    private let socket: Int32

    init(port wanted: UInt16 = 0) throws {
        // A server that another test starts at this moment must not inherit it: it would keep the port.
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = wanted.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = socket
        port = try withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            guard bind(descriptor, pointer, size) == 0, listen(descriptor, 8) == 0,
                getsockname(descriptor, pointer, &size) == 0
            else { throw Sentence("no socket to listen on") }
            return UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    /// Whether somebody has connected.
    var isAsked: Bool {
        var wanted = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, 0) == 1
    }

    deinit { close(socket) }
}

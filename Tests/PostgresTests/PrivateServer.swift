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
        defer {
            try? server.stop()
            try? FileManager.default.removeItem(at: directory)
        }
        return try await body(server)
    }

    func start() throws {
        try Self.run("start", directory.path, "-c fsync=off -c listen_addresses=127.0.0.1 -c port=\(port)")
    }

    func stop() throws { try Self.run("stop", directory.path, "") }

    private static func run(_ command: String, _ directory: String, _ options: String) throws {
        let root = URL(filePath: #filePath).appending(path: "../../..").standardized
        let process = Process()
        process.executableURL = root.appending(path: "scripts/postgres")
        process.arguments = [command, directory]
        process.environment = ProcessInfo.processInfo.environment.merging(["PG_OPTIONS": options]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Sentence("scripts/postgres \(command) failed") }
    }

    private static func freePort() throws -> UInt16 {
        let socket = try SilentServer()
        return socket.port
    }
}

/// A server that takes connections and never says a word, as a host behind a broken network does.
final class SilentServer {
    let port: UInt16
    private let socket: Int32

    init() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
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

    deinit { close(socket) }
}

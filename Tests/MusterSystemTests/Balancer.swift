import Foundation
import Glibc
import MusterTestSupport
import Synchronization
import TestSupport

/// A connection balancer as operators run them: it requests `/readyz` of each server ten times a second, forwards each
/// new connection to a ready server, and copies bytes. It retries nothing.
final class Balancer: Sendable {
    let port: UInt16
    private let listener: LoopbackSocket
    private let servers = Mutex<[(ops: UInt16, port: UInt16)]>([])
    private let ready = Mutex<[UInt16]>([])
    private let isOver = Flag()

    /// Calls `body` with a balancer, and always stops it.
    static func with<R>(_ body: (Balancer) async throws -> R) async throws -> R {
        let balancer = try Balancer()
        defer { balancer.stop() }
        return try await body(balancer)
    }

    private init() throws {
        listener = try LoopbackSocket(port: Loopback.freePort())
        port = listener.port
        // Threads, since all of it blocks. They end with `stop`.
        Thread.detachNewThread { self.accept() }
        // Ends with `stop` too.
        Task { await self.watch() }
    }

    /// Replaces the servers, each with the port of its readiness probe.
    func follow(_ servers: [(ops: UInt16, port: UInt16)]) { self.servers.withLock { $0 = servers } }

    private func stop() {
        isOver.raise()
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
    }

    private func watch() async {
        while !isOver.isRaised {
            let servers = servers.withLock { $0 }
            let ready = await withTaskGroup(of: UInt16?.self) { group in
                for (ops, port) in servers { group.addTask { await Self.isReady(ops) ? port : nil } }
                return await group.reduce(into: [UInt16]()) { if let port = $1 { $0.append(port) } }
            }
            self.ready.withLock { $0 = ready }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// The client would keep trying to reach a server that does not listen yet, and delay the others.
    private static func isReady(_ ops: UInt16) async -> Bool {
        guard Loopback.accepts(ops) else { return false }
        return (try? await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz"))?.status == 200
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener.descriptor, nil, nil)
            guard client >= 0 else { break }
            guard let port = ready.withLock({ $0.randomElement() }), let server = Loopback.connect(to: port) else {
                close(client)
                continue
            }
            let pair = Ends(client: client, server: server)
            Thread.detachNewThread { pair.copy(from: client, to: server) }
            Thread.detachNewThread { pair.copy(from: server, to: client) }
        }
    }
}

/// The two sockets of one connection, closed when neither can receive any more.
private final class Ends: Sendable {
    private let client: Int32
    private let server: Int32
    private let open = Mutex(2)

    init(client: Int32, server: Int32) { (self.client, self.server) = (client, server) }

    func copy(from source: Int32, to sink: Int32) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        reading: while true {
            let count = read(source, &bytes, bytes.count)
            guard count > 0 else { break }
            var sent = 0
            while sent < count {
                let some = bytes.withUnsafeBytes {
                    send(sink, $0.baseAddress.map { $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
                }
                guard some > 0 else { break reading }
                sent += some
            }
        }
        shutdown(sink, Int32(SHUT_WR))
        let left = open.withLock { count in
            count -= 1
            return count
        }
        if left == 0 { for descriptor in [client, server] { close(descriptor) } }
    }
}

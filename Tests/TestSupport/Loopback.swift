import Glibc

/// Ports and connections of this machine, without NIO.
public enum Loopback {
    /// A port that is free now. It is below the ports that the kernel gives to outgoing connections: one of those could
    /// be given out a moment later.
    public static func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            if let socket = try? LoopbackSocket(port: .random(in: 20_000..<32_000), listens: false) {
                return socket.port
            }
        }
        throw LoopbackSocket.NotBound()
    }

    /// Whether a server accepts connections on a port now.
    public static func accepts(_ port: UInt16) -> Bool {
        guard let descriptor = connect(to: port) else { return false }
        close(descriptor)
        return true
    }

    /// The descriptor of a connection to a port; nil where it is refused.
    public static func connect(to port: UInt16) -> Int32? {
        let descriptor = newSocket()
        let status = withAddress(of: port) { Glibc.connect(descriptor, $0, $1) }
        if status == 0 { return descriptor }
        close(descriptor)
        return nil
    }

    /// Processes that a test starts do not inherit it: they would keep its port.
    fileprivate static func newSocket() -> Int32 {
        socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    fileprivate static func withAddress(
        of port: UInt16, _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafeBytes(of: &address) { bytes in
            body(bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
        }
    }
}

/// A port of a test. Nothing answers there: a peer that connects meets a server that is silent, as behind a broken
/// network.
public final class LoopbackSocket: Sendable {
    /// The error where a port is taken.
    public struct NotBound: Error {}

    public let port: UInt16
    /// The same port, as settings have it.
    public var number: Int { Int(port) }
    /// For a test that accepts connections by itself.
    public let descriptor: Int32

    /// - Parameters:
    ///   - port: any that is free where it is 0.
    ///   - listens: whether it takes connections; otherwise it reserves the port for a server that comes later.
    public init(port wanted: UInt16 = 0, listens: Bool = true) throws {
        let descriptor = Loopback.newSocket()
        // A server that comes later binds to a reserved port too.
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard Loopback.withAddress(of: wanted, { bind(descriptor, $0, $1) }) == 0,
            !listens || listen(descriptor, 64) == 0, let port = Self.port(of: descriptor)
        else {
            close(descriptor)
            throw NotBound()
        }
        (self.descriptor, self.port) = (descriptor, port)
    }

    deinit { close(descriptor) }

    /// Whether a connection waits to be accepted.
    public var hasPendingConnection: Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, 0) == 1
    }

    private static func port(of descriptor: Int32) -> UInt16? {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutableBytes(of: &address) { bytes in
            getsockname(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, &size)
        }
        return status == 0 ? UInt16(bigEndian: address.sin_port) : nil
    }
}

public import Logging
public import MusterClient
public import MusterListener
public import MusterProtocol
public import MusterRPC
public import TestSupport

/// Runs `body` with an RPC server of stub handlers on a port of its own, and ends the server.
public func withStubServer(
    bounds: RPCServerSettings.Bounds = .quick, tls: TLSFiles? = nil, stub: StubHandlers = StubHandlers(),
    _ body: (RPCServer, StubHandlers) async throws -> Void
) async throws {
    let server = RPCServer(
        settings: .init(listener: .init(port: 0, tls: tls, allowPlaintext: true), bounds: bounds),
        router: stub.router, logger: quietLogger)
    try await server.start()
    try await cleaningUp({ await server.abortNow() }, after: { try await body(server, stub) })
}

/// Runs `body` with a raw connection to a server of stub handlers.
///
/// - Parameter open: whether the session is open already.
public func withStubConnection(
    bounds: RPCServerSettings.Bounds = .quick, stub: StubHandlers = StubHandlers(), open: Bool = true,
    _ body: (RawConnection, RPCServer, StubHandlers) async throws -> Void
) async throws {
    try await withStubServer(bounds: bounds, stub: stub) { server, stub in
        let connection = try await RawConnection(port: server.port)
        if open { try await connection.open() }
        try await body(connection, server, stub)
        await connection.close()
    }
}

/// Runs `body` with a client of a server of stub handlers.
public func withStubClient(
    bounds: RPCServerSettings.Bounds = .quick, key: String = "good", connections: Int = 1,
    _ body: (MusterClient, RPCServer, StubHandlers) async throws -> Void
) async throws {
    try await withStubServer(bounds: bounds) { server, stub in
        let client = stubClient(port: server.port, key: key, connections: connections)
        try await body(client, server, stub)
        await client.close()
    }
}

/// A client that pauses for milliseconds only before it repeats a call.
public func stubClient(
    port: Int, key: String = "good", connections: Int = 1, repeats: Bool = true, logger: Logger = quietLogger
) -> MusterClient {
    var settings = MusterClientSettings(host: "127.0.0.1", port: port, key: key)
    settings.connections = connections
    settings.repeats = repeats
    settings.firstPause = .milliseconds(5)
    settings.longestPause = .milliseconds(50)
    return MusterClient(settings, logger: logger)
}

/// The `RPCError` that `body` throws; nil where it throws another one or none.
public func rpcError<R>(_ body: () async throws -> R) async -> RPCError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? RPCError
    }
}

extension RPCServerSettings.Bounds {
    /// The default bounds, but for the moment that a refused peer gets to read why: 0.1 seconds.
    public static var quick: Self {
        var bounds = Self()
        bounds.linger = .milliseconds(100)
        return bounds
    }
}

extension RPCServer {
    /// The port that it listens on; 0 before it does.
    public var port: Int { boundPort ?? 0 }
}

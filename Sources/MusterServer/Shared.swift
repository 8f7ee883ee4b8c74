import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import Synchronization

/// What all connections of a server share.
final class Shared: Sendable {
    let router: Router
    let reader: IncomingReader
    let bounds: RPCServerSettings.Bounds
    let log: QuietLog
    let connections: OpenConnections<Connection>
    /// Requests whose tasks have not ended.
    let running = Atomic<Int>(0)

    init(router: Router, bounds: RPCServerSettings.Bounds, logger: Logger) {
        self.router = router
        self.bounds = bounds
        reader = IncomingReader(router: router)
        log = QuietLog(logger)
        connections = OpenConnections(most: bounds.connections, mostStrangers: bounds.strangerConnections)
    }

    /// What a connection beyond the bound hears: it passes when others close.
    var tooManyConnections: RPCError {
        let limit = Limits.connections.set(to: bounds.connections)
        return RPCError(
            .resourceExhausted, .tooMany, limit: limit,
            "the server has \(limit.value) connections, which is all that it takes (\(limit.name)); try again later",
            details: ["retry_after_ms": 1_000])
    }
}

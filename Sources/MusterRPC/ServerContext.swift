import Logging
import MusterHandlers
import MusterListener
import Synchronization

/// The state that all connections of a server share.
final class ServerContext: Sendable {
    let router: CallRouter
    let reader: IncomingReader
    let bounds: RPCServerSettings.Bounds
    let log: RateLimitedLogger
    let connections: OpenConnections<RPCConnection>
    let answers: AnswerBudget
    /// Requests whose tasks have not ended.
    let running = Atomic<Int>(0)

    init(router: CallRouter, bounds: RPCServerSettings.Bounds, logger: Logger) {
        self.router = router
        self.bounds = bounds
        reader = IncomingReader(router: router)
        log = RateLimitedLogger(logger)
        answers = AnswerBudget(
            name: "RPC",
            bounds: .init(
                maxBytes: bounds.unreadAnswers, maxPerConnection: bounds.unreadAnswersPerConnection,
                maxInMaking: bounds.answersInMaking, patience: bounds.tick * 2), log: log)
        connections = OpenConnections(
            maxConnections: bounds.connections, maxUnauthenticated: bounds.unauthenticatedConnections,
            maxSurplus: bounds.surplusConnections, maxPerAddress: bounds.connectionsPerAddress)
    }
}

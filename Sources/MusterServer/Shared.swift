import Logging
import MusterHandlers
import MusterListener
import Synchronization

/// What all connections of a server share.
final class Shared: Sendable {
    let router: Router
    let reader: IncomingReader
    let bounds: RPCServerSettings.Bounds
    let log: QuietLog
    let connections: OpenConnections<Connection>
    let answers: AnswerBudget
    /// Requests whose tasks have not ended.
    let running = Atomic<Int>(0)

    init(router: Router, bounds: RPCServerSettings.Bounds, logger: Logger) {
        self.router = router
        self.bounds = bounds
        reader = IncomingReader(router: router)
        log = QuietLog(logger)
        answers = AnswerBudget(
            name: "RPC",
            bounds: .init(
                most: bounds.unreadAnswers, mostOfOne: bounds.unreadAnswersOfOne,
                mostInMaking: bounds.answersInMaking, patience: bounds.tick * 2), log: log)
        connections = OpenConnections(
            most: bounds.connections, mostStrangers: bounds.strangerConnections,
            mostSurplus: bounds.surplusConnections, mostPerAddress: bounds.connectionsPerAddress)
    }
}

public import MusterHandlers
public import MusterProtocol
public import MusterStore
import Synchronization

/// Direct calls that wait until the test answers them, each by its name.
public final class DirectWaits: Sendable {
    private struct Wait: Sendable {
        let name: String
        let loop: any AnswerLoop
        let reply: @Sendable (Result<Done, any Error>) -> Void
    }
    private let waiting = Mutex<[Wait]>([])

    public init() {}

    /// The calls that wait, in the order of their arrival.
    public var names: [String] { waiting.withLock { $0.map(\.name) } }

    /// Adds a call.
    public func add(
        _ name: String, _ loop: any AnswerLoop, _ reply: @escaping @Sendable (Result<Done, any Error>) -> Void
    ) {
        waiting.withLock { $0.append(Wait(name: name, loop: loop, reply: reply)) }
    }

    /// Answers these calls, or all: those of one event loop in one batch.
    public func answer(_ names: Set<String>? = nil) {
        let answered = waiting.withLock { waiting in
            let answered = waiting.filter { names?.contains($0.name) ?? true }
            waiting.removeAll { names?.contains($0.name) ?? true }
            return answered
        }
        for (_, waits) in Dictionary(grouping: answered, by: { ObjectIdentifier($0.loop) }) {
            waits.first?.loop.execute { for wait in waits { wait.reply(.success(Done())) } }
        }
    }
}

import MusterHandlers
import MusterProtocol
import NIOCore

/// Runs tasks on an event loop, so that a request and its reply need no change of thread.
///
/// `@unchecked Sendable`: it holds only the loop, which may be used from any thread.
final class EventLoopExecutor: TaskExecutor, @unchecked Sendable {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// One event loop, as its connections share it. There is one for each loop, so that answers can be grouped by it.
final class EventLoopContext: AnswerLoop {
    let executor: EventLoopExecutor
    private let loop: any EventLoop
    private let kept: NIOLoopBoundBox<EventLoopState?>

    init(_ loop: any EventLoop) {
        self.loop = loop
        executor = EventLoopExecutor(loop)
        kept = .makeEmptyBox(valueType: EventLoopState.self, eventLoop: loop)
    }

    /// The state of the loop. Use it on the loop only.
    var state: EventLoopState {
        if let state = kept.value { return state }
        let state = EventLoopState()
        kept.value = state
        return state
    }

    /// Runs `body` on the loop. Each connection writes the answers that `body` gives to its calls at once.
    func execute(_ body: @escaping @Sendable () -> Void) {
        loop.execute { self.state.batch(body) }
    }
}

/// The state that the connections of one event loop share. It belongs to the loop.
final class EventLoopState {
    let reader = JSONReader()
    private(set) var isInBatch = false
    private var answered: [RPCConnection] = []

    /// Runs `body`, then lets each connection whose calls were answered send the answers.
    fileprivate func batch(_ body: () -> Void) {
        isInBatch = true
        body()
        isInBatch = false
        // An answer may let other calls begin, whose answers leave with it.
        let connections = answered
        answered.removeAll(keepingCapacity: true)
        for connection in connections { connection.batchEnded() }
    }

    /// Lets a connection send its answers at the end of the batch. Call it once in a batch.
    func add(_ connection: RPCConnection) { answered.append(connection) }
}

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

/// The state that the connections of one event loop share.
struct EventLoopContext: Sendable {
    let executor: EventLoopExecutor
    private let kept: NIOLoopBoundBox<JSONReader?>

    init(_ loop: any EventLoop) {
        executor = EventLoopExecutor(loop)
        kept = .makeEmptyBox(valueType: JSONReader.self, eventLoop: loop)
    }

    /// The loop's own reader. Use it on the loop only.
    var reader: JSONReader {
        if let reader = kept.value { return reader }
        let reader = JSONReader()
        kept.value = reader
        return reader
    }
}

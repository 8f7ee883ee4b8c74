import Glibc
import Synchronization

/// Wakes a worker that sleeps in `poll` from another thread: a flag, and a pipe that is polled along with the socket.
final class Interrupt: Sendable {
    private let raised = Atomic<Bool>(false)
    private let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        // Without a pipe (out of descriptors) poll ignores -1; a cancellation then waits for the end of the statement.
        if pipe(&ends) == 0 {
            for end in ends {
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            }
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        if readEnd >= 0 { close(readEnd) }
        if writeEnd >= 0 { close(writeEnd) }
    }

    /// The descriptor to poll for reading.
    var descriptor: Int32 { readEnd }

    /// Whether the running unit of work is cancelled.
    var isRaised: Bool { raised.load(ordering: .acquiring) }

    func raise() {
        raised.store(true, ordering: .releasing)
        wake()
    }

    func clear() { raised.store(false, ordering: .releasing) }

    /// Ends a `poll` without cancelling anything; the sleeper checks its condition again.
    func wake() {
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }

    func drain() {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { room in
            while read(readEnd, room.baseAddress, room.count) > 0 {}
        }
    }
}

/// Starts a worker's thread. Threads live as long as the database and are never joined.
///
/// All are started when the database is opened, so a failure ends the process before it serves anything.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { box in
            guard let box else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(box).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    guard failure == 0 else { fatalError("can't start a thread for PostgreSQL: \(failure)") }
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

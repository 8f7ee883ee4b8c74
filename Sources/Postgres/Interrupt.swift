import Glibc
import Synchronization

/// How another thread reaches a worker that sleeps in `poll`: a flag, and a pipe that is polled beside the socket.
final class Interrupt: Sendable {
    private let raised = Atomic<Bool>(false)
    private let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        // Without a pipe (no descriptors left) poll ignores -1: cancellation then waits for the statement's end.
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

    /// To be polled for reading.
    var descriptor: Int32 { readEnd }

    /// Whether the unit of work that runs now has been cancelled.
    var isRaised: Bool { raised.load(ordering: .acquiring) }

    func raise() {
        raised.store(true, ordering: .releasing)
        wake()
    }

    func clear() { raised.store(false, ordering: .releasing) }

    /// Ends a `poll` without cancelling anything: whoever sleeps looks again at what it waits for.
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

/// A worker's thread. They live as long as the database, so nobody joins them.
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
    guard failure == 0 else { fatalError("no thread could be started for PostgreSQL: \(failure)") }
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

import Foundation
import Locking
import Testing

/// A value under a lock, and threads that wait for it to change.
@Suite(.timeLimit(.minutes(1))) struct LockedTests {
    /// The result of `body` on a thread of its own: waiting blocks it.
    private func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: body()) }
        }
    }

    @Test func noChangeIsLost() async {
        let count = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    await onThread { for _ in 0..<500_000 { count.withLock { $0 += 1 } } }
                }
            }
        }
        #expect(count.withLock { $0 } == 2_000_000)
    }

    @Test func anErrorUnlocksTheValue() {
        struct Refused: Error {}
        let value = Locked(1)
        #expect(throws: Refused.self) { try value.withLock { _ in throw Refused() } }
        #expect(value.withLock { $0 } == 1)
    }

    @Test func aSignalWakesOneThreadAndAllWhenAsked() async throws {
        let (places, signal) = (Locked(0), Signal())
        let passed = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    await onThread {
                        places.wait(for: signal) { places -> Look<Void> in
                            guard places > 0 else { return .again(by: nil) }
                            places -= 1
                            return .found(())
                        }
                        passed.withLock { $0 += 1 }
                    }
                }
            }
            // All of them sleep by then; if not, they find the value as it is.
            try? await Task.sleep(for: .milliseconds(50))
            places.withLock { $0 += 1 }
            signal.wakeOne()
            try? await Task.sleep(for: .milliseconds(50))
            #expect(passed.withLock { $0 } == 1)
            places.withLock { $0 += 2 }
            signal.wakeAll()
        }
        #expect(passed.withLock { $0 } == 3 && places.withLock { $0 } == 0)
    }

    /// By the monotonic clock, which nobody sets.
    @Test func aWaitLooksAgainAtItsTime() async {
        let (value, signal) = (Locked(0), Signal())
        let began = ContinuousClock.now
        let looks = await onThread {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            time.tv_sec += 1
            let end = time
            var looks = 0
            return value.wait(for: signal) { _ -> Look<Int> in
                looks += 1
                return looks == 1 ? .again(by: end) : .found(looks)
            }
        }
        #expect(looks == 2)
        #expect((.milliseconds(990)...(.seconds(5))).contains(ContinuousClock.now - began))
    }
}

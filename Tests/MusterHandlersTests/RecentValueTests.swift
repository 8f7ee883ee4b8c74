import Locking
import Synchronization
import TestSupport
import Testing

@testable import MusterHandlers

/// What calls read from memory is read again in the background, and is never older than its bound.
@Suite struct RecentValueTests {
    /// A value that counts how often it was read; each reading waits at a gate, by its number.
    private final class Source: Sendable {
        let gates = Gates()
        let fails = Flag()
        private let count = Mutex(0)

        var reads: Int { count.withLock(\.self) }

        func read() async throws -> Int {
            let number = count.withLock { count in
                count += 1
                return count
            }
            try await gates.wait(at: "\(number)")
            if fails.isRaised { throw TookTooLong() }
            return number
        }
    }

    private func get(_ value: RecentValue<Int>) async throws -> Int {
        try await OneShot<Result<Int, any Error>>.result { value.get(at: .now, on: SharedAnswerLoop.shared, then: $0) }
    }

    @Test func callersWhoWaitShareOneReading() async throws {
        let source = Source()
        let value = RecentValue(maxAge: .seconds(60)) { try await source.read() }
        let callers = (0..<10).map { _ in Task { try await get(value) } }
        #expect(await eventually { source.gates.arrived == ["1"] })
        source.gates.open("1")
        for caller in callers { #expect(try await caller.value == 1) }
        for _ in 0..<10 { #expect(try await get(value) == 1) }
        #expect(source.reads == 1)
    }

    @Test func aValueIsReadAgainBeforeItIsTooOld() async throws {
        let source = Source()
        for number in 1...100 { source.gates.open("\(number)") }
        let value = RecentValue(maxAge: .milliseconds(200)) { try await source.read() }
        #expect(try await get(value) == 1)
        try await Task.sleep(for: .milliseconds(110))
        _ = try await get(value)
        #expect(await eventually { source.reads == 2 })
        try await Task.sleep(for: .milliseconds(250))
        #expect(try await get(value) == 3)
    }

    @Test func anOldValueIsNotUsed() async throws {
        let source = Source()
        source.gates.open("1")
        let value = RecentValue(maxAge: .milliseconds(50)) { try await source.read() }
        #expect(try await get(value) == 1)
        try await Task.sleep(for: .milliseconds(60))
        let later = Task { try await get(value) }
        #expect(await eventually { source.gates.arrived == ["1", "2"] })
        source.gates.open("2")
        #expect(try await later.value == 2)
    }

    @Test func anErrorIsNotKept() async throws {
        let source = Source()
        for number in 1...2 { source.gates.open("\(number)") }
        source.fails.raise()
        let value = RecentValue(maxAge: .seconds(60)) { try await source.read() }
        for _ in 1...2 { await #expect(throws: TookTooLong.self) { try await get(value) } }
        #expect(source.reads == 2)
    }
}

import Locking
import Testing

/// A value that one task awaits and others fulfill.
@Suite(.timeLimit(.minutes(1))) struct OneShotTests {
    @Test func theFirstValueCounts() async {
        let shot = OneShot<Int>()
        shot.fulfill(1)
        shot.fulfill(2)
        #expect(await shot.value == 1)
        // Nobody waits any more: it has no effect.
        shot.fulfill(3)
    }

    @Test func aWaitingTaskGetsTheFirstValueToo() async throws {
        let shot = OneShot<Int>()
        async let value = shot.value
        try await Task.sleep(for: .milliseconds(20))
        shot.fulfill(1)
        shot.fulfill(2)
        #expect(await value == 1)
    }

    /// Whichever of the two comes first.
    @Test func noValueIsLostBetweenTwoTasks() async {
        for number in 0..<10_000 {
            let shot = OneShot<Int>()
            async let value = shot.value
            shot.fulfill(number)
            #expect(await value == number)
        }
    }
}

import Testing

@testable import Postgres

/// A unit of work that does nothing.
func work(
    _ lane: Work.Lane = .read, group: Int64 = 1, member: Int64 = 1, begun: Bool = false, within: Int = 10_000
) -> Work {
    let caller = Caller(group: group, member: member)
    if begun { caller.begin() }
    return Work(ticket: Ticket(), deadline: .after(milliseconds: within), lane: lane, caller: caller) { _, _ in
        nil
    } refuse: { _ in
    }
}

/// Which work runs concurrently, and in which order. Uses no PostgreSQL.
@Suite struct WaitingWorkTests {
    private func waiting(_ lanes: [Work.Lane], connections: Int, capacity: Int = 100) -> WaitingWork {
        var waiting = WaitingWork(capacity: capacity, connections: connections)
        for lane in lanes { #expect(waiting.add(work(lane), connected: connections) == nil) }
        return waiting
    }

    /// The lanes of the work that is taken until no more may run.
    private func taken(_ waiting: inout WaitingWork, urgentOnly: Bool = false) -> [Work.Lane] {
        var lanes: [Work.Lane] = []
        while let work = waiting.take(urgentOnly: urgentOnly) { lanes.append(work.lane) }
        return lanes
    }

    @Test func urgentWorkGoesFirstAndLeavesConnectionsToOther() {
        var waiting = waiting([.read, .write, .urgent, .urgent, .urgent], connections: 4)
        #expect(taken(&waiting) == [.urgent, .urgent, .read, .write])
        #expect(taken(&waiting, urgentOnly: true) == [.urgent])
    }

    @Test func readsAndWritesTakeTurns() {
        var waiting = waiting([.read, .read, .write, .write], connections: 8)
        #expect(taken(&waiting) == [.read, .write, .read, .write])
    }

    @Test func readsAndWritesLeaveConnectionsToEachOther() {
        for (lane, connections, max) in [
            (Work.Lane.read, 8, 7), (.write, 8, 4), (.read, 4, 3), (.write, 4, 2), (.read, 3, 3), (.write, 3, 3),
        ] {
            var waiting = waiting([Work.Lane](repeating: lane, count: 9), connections: connections)
            #expect(taken(&waiting).count == max, "\(lane) of \(connections)")
        }
    }

    @Test func aFullLaneOfUrgentWorkRefusesMore() {
        var waiting = waiting([.urgent], connections: 4, capacity: 1)
        #expect(waiting.add(work(.urgent), connected: 4)?.error.kind == .overloaded)
        #expect(waiting.count == 1)
    }

    /// Here a write takes a second, and four connections are open.
    @Test func workIsReckonedByTheConnectionsThatServeItsLane() throws {
        func isRefused(_ waiting: inout WaitingWork, within milliseconds: Int) -> Bool {
            let caller = Caller(group: 1)
            return waiting.overload(ofWritingFor: caller, deadline: .after(milliseconds: milliseconds), connected: 4)
                != nil
        }
        var waiting = waiting([.write], connections: 4)
        let next = waiting.take(urgentOnly: false)
        let first = try #require(next)
        waiting.ended(first, since: MonotonicTime.now.adding(milliseconds: -1_000))
        #expect(!isRefused(&waiting, within: 100), "connections are free")
        for lane in [Work.Lane.write, .write, .read, .read] { #expect(waiting.add(work(lane), connected: 4) == nil) }
        #expect(taken(&waiting).count == 4)
        #expect(isRefused(&waiting, within: 400) && !isRefused(&waiting, within: 700), "two of four serve writes")
        #expect(waiting.add(work(.write, within: 400), connected: 4)?.error.kind == .overloaded)
        #expect(waiting.add(work(.read, within: 400), connected: 4) == nil, "reads are quick")
    }

    @Test func workThatCouldNotRunIsNextAgain() throws {
        for lane in Work.Lane.allCases {
            var waiting = WaitingWork(capacity: 9, connections: 4)
            let works = [work(lane), work(lane)]
            for work in works { #expect(waiting.add(work, connected: 4) == nil) }
            let next = waiting.take(urgentOnly: false)
            let first = try #require(next)
            waiting.ended(first, since: nil)
            waiting.putBack(first)
            #expect(waiting.runningCount == 0 && waiting.count == 2)
            #expect(waiting.take(urgentOnly: false)?.ticket === works[0].ticket, "\(lane)")
        }
    }

    @Test func workOfEachLaneIsFoundByItsDeadlineAndRemoved() {
        for lane in Work.Lane.allCases {
            var waiting = waiting(Work.Lane.allCases, connections: 4)
            let urging = work(lane, within: 5_000)
            _ = waiting.add(urging, connected: 4)
            #expect(waiting.earliest { $0.deadline } == urging.deadline, "\(lane)")
            #expect(waiting.remove(urging.ticket, from: lane, of: urging.caller)?.ticket === urging.ticket, "\(lane)")
            #expect(waiting.count == 3)
            #expect(waiting.removeAll { $0.lane == lane }.count == 1, "\(lane)")
            #expect(waiting.count == 2)
        }
    }
}

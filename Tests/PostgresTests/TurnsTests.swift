import TestSupport
import Testing

@testable import Postgres

/// The order of queued work, and what is rejected under overload. No clock but the real one, no
/// PostgreSQL.
@Suite struct TurnsTests {
    /// Groups and members in the order in which they are taken.
    private func order(_ turns: inout Turns) -> [String] {
        var order: [String] = []
        while let work = turns.popFirst() { order.append("\(work.caller.group).\(work.caller.member)") }
        return order
    }

    @Test func groupsAndTheirMembersAreServedRoundRobin() {
        var turns = Turns()
        for member in [1, 1, 1, 2] as [Int64] { turns.append(work(group: 1, member: member), at: .now) }
        turns.append(work(group: 2), at: .now)
        turns.append(work(group: 2), at: .now)
        #expect(order(&turns) == ["1.1", "2.1", "1.2", "2.1", "1.1", "1.1"])
        #expect(turns.count == 0)
    }

    @Test func startedWorkGoesFirstWithinItsKeyOnly() {
        var turns = Turns()
        let begun = work(group: 2, begun: true)
        let works = [work(group: 1), work(group: 2), work(group: 2, member: 7, begun: true), begun]
        for work in works { turns.append(work, at: .now) }
        #expect(turns.popFirst()?.ticket === works[0].ticket)
        #expect(turns.popFirst()?.ticket === begun.ticket)
        #expect(order(&turns) == ["2.7", "2.1"])
    }

    @Test func workThatIsPutBackIsFirstAgain() {
        var turns = Turns()
        for member in [1, 2] as [Int64] { turns.append(work(group: 1, member: member), at: .now) }
        turns.append(work(group: 2), at: .now)
        let first = turns.popFirst()
        if let first { turns.prepend(first, at: .now) }
        #expect(turns.count == 3)
        #expect(order(&turns) == ["2.1", "1.1", "1.2"])
    }

    @Test func requeuedWorkGoesBeforeOtherGroupsAndBegunCalls() {
        var turns = Turns()
        let (first, second) = (work(begun: true), work(begun: true))
        turns.append(first, at: .now)
        turns.append(second, at: .now)
        _ = turns.popFirst()
        turns.prepend(first, at: .now)
        #expect(turns.popFirst()?.ticket === first.ticket)
        #expect(turns.popFirst()?.ticket === second.ticket)
        turns.append(work(group: 2), at: .now)
        turns.prepend(first, at: .now)
        #expect(order(&turns) == ["1.1", "2.1"])
    }

    @Test func removedWorkLeavesNoTurnBehind() {
        var turns = Turns()
        let unwanted = work(group: 1, member: 5)
        turns.append(unwanted, at: .now)
        turns.append(work(group: 2), at: .now)
        #expect(turns.remove(from: 1) { $0.ticket === unwanted.ticket }.count == 1)
        #expect(turns.waitingSince(Caller(group: 1, member: 5)) == nil)
        #expect(turns.waitingSince(Caller(group: 2, member: 1)) != nil)
        turns.append(work(group: 1, member: 6), at: .now)
        #expect(order(&turns) == ["2.1", "1.6"])
    }

    @Test func aFullQueueEvictsFromTheLongestLine() {
        var turns = Turns()
        for member in [1, 2, 2] as [Int64] { turns.append(work(group: 1, member: member), at: .now) }
        let newest = turns.makeRoom(for: 2)
        #expect(newest?.caller.member == 2)
        #expect(turns.makeRoom(for: 1) == nil)
        #expect(order(&turns) == ["1.1", "1.2"])
    }

    @Test func roomIsMadeByTheNewestWorkThatHasNotBegun() {
        var turns = Turns()
        let fresh = [work(), work()]
        for work in fresh + [work(begun: true), work(begun: true)] { turns.append(work, at: .now) }
        #expect(turns.makeRoom(for: 2)?.ticket === fresh[1].ticket)
        #expect(turns.makeRoom(for: 2)?.ticket === fresh[0].ticket)
        #expect(turns.makeRoom(for: 2) == nil)
        // A caller that would have as much work as the one that it displaces displaces none.
        var one = Turns()
        one.append(work(), at: .now)
        #expect(one.makeRoom(for: 2) == nil)
    }

    /// A newcomer waits for one unit of each neighbour, however much they have; the greedy one for all of its own.
    @Test func theWorkAheadIsCountedByTurns() {
        var turns = Turns()
        for _ in 0..<100 { turns.append(work(group: 1), at: .now) }
        for _ in 0..<3 { turns.append(work(group: 2), at: .now) }
        #expect(turns.ahead(of: Caller(group: 3)) == 2)
        #expect(turns.ahead(of: Caller(group: 2, member: 1)) == 3 + 4)
        #expect(turns.ahead(of: Caller(group: 1, member: 1)) == 100 + 3)
        // Another key of the demanding one's workspace.
        #expect(turns.ahead(of: Caller(group: 1, member: 2)) == 1 + 2)
        #expect(turns.waitingSince(Caller(group: 1, member: 2)) == nil)
    }

    /// Compared with a model: each job that was added comes out once, and the counts agree. The seed is
    /// printed.
    @Test func nothingIsLostOrDoubled() {
        let seed = TestSeed("turns").value
        var random = SeededRandom(seed: seed)
        var turns = Turns()
        var (inside, came): ([ObjectIdentifier: Work], [ObjectIdentifier]) = ([:], [])
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let work = work(
                    group: .random(in: 0..<4, using: &random), member: .random(in: 0..<3, using: &random),
                    begun: Int.random(in: 0..<5, using: &random) == 0)
                turns.append(work, at: .now)
                inside[ObjectIdentifier(work.ticket)] = work
            case 5..<8:
                guard let work = turns.popFirst() else { continue }
                if Bool.random(using: &random) {
                    turns.prepend(work, at: .now)
                } else {
                    #expect(inside.removeValue(forKey: ObjectIdentifier(work.ticket)) != nil, "seed \(seed)")
                    came.append(ObjectIdentifier(work.ticket))
                }
            case 8:
                guard let work = inside.randomElement(using: &random)?.value else { continue }
                let removed = turns.remove(from: work.caller.group) { $0.ticket === work.ticket }
                #expect(removed.count == 1, "seed \(seed)")
                inside[ObjectIdentifier(work.ticket)] = nil
            default:
                if let work = turns.makeRoom(for: .random(in: 0..<4, using: &random)) {
                    #expect(inside.removeValue(forKey: ObjectIdentifier(work.ticket)) != nil, "seed \(seed)")
                }
            }
            #expect(turns.count == inside.count, "seed \(seed)")
        }
        while let work = turns.popFirst() {
            #expect(inside.removeValue(forKey: ObjectIdentifier(work.ticket)) != nil, "seed \(seed)")
        }
        #expect(inside.isEmpty, "seed \(seed)")
    }
}

/// Work that may wait.
@Suite struct AdmissionTests {
    private func refusal(
        _ admission: inout Admission, within: Int, ahead: Int, since: MonotonicTime? = nil, at now: MonotonicTime = .now
    ) -> PostgresError? {
        admission.refusal(
            .write, by: now.adding(milliseconds: within), ahead: ahead, serving: 2, since: since, at: now)
    }

    private func admission(unit: Double) -> Admission {
        var admission = Admission()
        admission.learn(.write, took: unit)
        return admission
    }

    @Test func workThatCannotMeetItsDeadlineIsRejectedOnArrival() {
        var admission = admission(unit: 100)
        let now = MonotonicTime.now
        let late = refusal(&admission, within: 1_000, ahead: 20, since: now, at: now)
        #expect(late?.kind == .overloaded && late?.retryAfterMilliseconds == 1_000)
        #expect(refusal(&admission, within: 1_200, ahead: 20, since: now, at: now) == nil)
        // The first work of a key may be faster than the others'.
        #expect(refusal(&admission, within: 1_000, ahead: 20, at: now) == nil)
        #expect(refusal(&admission, within: 900, ahead: 20, at: now)?.kind == .overloaded)
    }

    @Test func aBurstMayQueueButNotAStandingQueue() {
        var admission = admission(unit: 5)
        let now = MonotonicTime.now
        let (fresh, old) = (now.adding(milliseconds: -50), now.adding(milliseconds: -150))
        #expect(refusal(&admission, within: 10_000, ahead: 200, since: fresh, at: now) == nil)
        #expect(refusal(&admission, within: 10_000, ahead: 200, since: old, at: now) != nil)
        #expect(refusal(&admission, within: 10_000, ahead: 30, since: old, at: now) == nil)
    }

    @Test func ofSlowWorkALineThatStandsHoldsFourRounds() {
        var admission = admission(unit: 100)
        let now = MonotonicTime.now
        let old = now.adding(milliseconds: -150)
        #expect(refusal(&admission, within: 10_000, ahead: 8, since: old, at: now) == nil)
        #expect(refusal(&admission, within: 10_000, ahead: 9, since: old, at: now) != nil)
    }

    @Test func aRefusalSaysWhenToComeBackWithinBounds() {
        let now = MonotonicTime.now
        for (unit, milliseconds) in [(1.0, 100), (60_000, 5_000)] {
            var admission = admission(unit: unit)
            #expect(admission.lastRefusal == nil)
            #expect(refusal(&admission, within: 0, ahead: 2, at: now)?.retryAfterMilliseconds == milliseconds)
            #expect(admission.lastRefusal == now)
        }
    }

    @Test func inAFullLaneTheCallerWithTheMostWorkMakesRoom() {
        var (admission, turns) = (Admission(), Turns())
        func admit(_ work: Work) -> (refused: Work, error: PostgresError)? {
            admission.admit(work, to: &turns, serving: nil, capacity: 2)
        }
        let greedy = [work(), work()]
        for work in greedy { #expect(admit(work) == nil) }
        let newcomer = work(group: 2)
        let refused = admit(newcomer)
        #expect(refused?.refused.ticket === greedy[1].ticket && refused?.error.kind == .overloaded)
        #expect(turns.count == 2 && turns.waitingSince(newcomer.caller) != nil)
        let another = work()
        #expect(admit(another)?.refused.ticket === another.ticket)
        #expect(admit(work(begun: true)) == nil && turns.count == 3)
    }

    @Test func oneSlowJobChangesTheEstimateLittle() {
        var admission = admission(unit: 1)
        admission.learn(.write, took: 60_000)
        #expect(admission.unit[Work.Lane.write.rawValue] < 10)
        for _ in 0..<100 { admission.learn(.write, took: 400) }
        #expect(admission.unit[Work.Lane.write.rawValue] > 300)
    }
}

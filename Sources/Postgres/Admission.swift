/// Decides whether new work may wait. Work that can't be done by its deadline, or that would lengthen a standing queue,
/// is refused when it arrives: its caller can go elsewhere, and nothing was spent on it.
///
/// A burst may wait until its deadlines. A queue that has not been empty for `target` may hold as much work as is done
/// within `target`. Then all capacity is used and waits are short; in an unbounded queue, all callers would wait until
/// nearly their deadlines. This is the goal of CoDel (RFC 8289), but decided on arrival, so that callers learn of a
/// refusal at once.
struct Admission {
    /// How long a queue may stand, in milliseconds.
    static let target = 100
    /// For slow work, the number of rounds that may wait in a standing queue.
    private static let rounds = 4.0

    /// The recent duration of a unit of work in milliseconds, per lane.
    private(set) var unit = [Double](repeating: 0, count: Work.Lane.allCases.count)
    /// The time of the last refusal.
    private(set) var lastRefusal: MonotonicTime?

    /// Updates the mean; a single very slow unit counts as a few times the mean.
    mutating func learn(_ lane: Work.Lane, took milliseconds: Double) {
        let old = unit[lane.rawValue]
        let new = old == 0 ? milliseconds : min(milliseconds, 4 * old + 50)
        unit[lane.rawValue] = old == 0 ? new : old + (new - old) / 8
    }

    /// Adds work to a lane, or refuses it or other work in its favour. Returns the refused work and its error.
    ///
    /// - Parameters:
    ///   - serving: connections that serve the lane, all of them busy; nil when no estimate is needed.
    ///   - capacity: units that may wait in the lane.
    mutating func admit(
        _ work: Work, to lane: inout Turns, serving: Int?, capacity: Int
    ) -> (refused: Work, error: PostgresError)? {
        let now = MonotonicTime.now
        guard !work.caller.hasBegun else {
            lane.append(work, at: now)
            return nil
        }
        if let serving {
            let refusal = refusal(
                work.lane, of: work.caller, by: work.deadline, behind: lane, serving: serving, at: now)
            if let refusal { return (work, refusal) }
        }
        guard lane.count >= capacity else {
            lane.append(work, at: now)
            return nil
        }
        guard let newest = lane.makeRoom(for: work.caller.group) else { return (work, overload(in: 0, at: now)) }
        lane.append(work, at: now)
        return (newest, overload(in: 0, at: now))
    }

    /// The error for new work of a caller that may not wait; nil when it may.
    ///
    /// - Parameters:
    ///   - turns: the waiting work of the lane.
    ///   - serving: connections that run work of the lane.
    mutating func refusal(
        _ lane: Work.Lane, of caller: Caller, by deadline: MonotonicTime, behind turns: borrowing Turns, serving: Int,
        at now: MonotonicTime
    ) -> PostgresError? {
        refusal(
            lane, by: deadline, ahead: turns.ahead(of: caller) + 1, serving: serving, since: turns.waitingSince(caller),
            at: now)
    }

    /// - Parameters:
    ///   - ahead: units that go before it, including the running one.
    ///   - since: since when work of the same member has been waiting; nil when there is none.
    mutating func refusal(
        _ lane: Work.Lane, by deadline: MonotonicTime, ahead: Int, serving: Int, since: MonotonicTime?,
        at now: MonotonicTime
    ) -> PostgresError? {
        let unit = unit[lane.rawValue]
        let wait = Double(ahead) * unit / Double(max(1, serving))
        let isStanding = since.map { $0.adding(milliseconds: Self.target) <= now } ?? false
        let allowance = isStanding ? max(Double(Self.target), Self.rounds * unit) : .infinity
        let left = Double(deadline.milliseconds(since: now))
        // A member's only work may be faster than the others': the mean is over all work.
        let time = since == nil ? wait : wait + unit
        guard wait > allowance || time > left else { return nil }
        return overload(in: wait, at: now)
    }

    /// The error for work that is refused or displaced.
    mutating func overload(in wait: Double, at now: MonotonicTime) -> PostgresError {
        lastRefusal = now
        var error = PostgresError(.overloaded)
        error.retryAfterMilliseconds = Int(min(max(wait, Double(Self.target)), 5_000))
        return error
    }
}

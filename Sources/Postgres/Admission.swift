/// Whether new work may wait: what can't be done by its deadline, or would make a line that stands, is refused when it
/// comes, while its caller has time to go elsewhere and nothing was spent on it.
///
/// A burst may wait until its deadlines. A line that has not been empty for `target` may hold so much as is done within
/// `target`: then all capacity is used and nobody waits for long, where a line without a bound would have everybody
/// wait until nearly the deadline. That is the aim of CoDel (RFC 8289), reached when work comes, since callers should
/// hear of a refusal at once.
struct Admission {
    /// How long a line may stand, in milliseconds.
    static let target = 100
    /// Of work that takes long, so many rounds may wait in a line that stands.
    private static let rounds = 4.0

    /// Milliseconds that a unit of work takes lately, of each lane.
    private(set) var unit = [Double](repeating: 0, count: Work.Lane.allCases.count)
    /// When work was last refused here.
    private(set) var lastRefusal: Moment?

    /// A single unit that takes very long counts as one that takes a few times as long as others.
    mutating func learn(_ lane: Work.Lane, took milliseconds: Double) {
        let old = unit[lane.rawValue]
        let new = old == 0 ? milliseconds : min(milliseconds, 4 * old + 50)
        unit[lane.rawValue] = old == 0 ? new : old + (new - old) / 8
    }

    /// Takes work into a lane, or refuses it, or other work in its favour. Returns what is refused, and why.
    ///
    /// - Parameters:
    ///   - serving: connections that serve the lane, all of them busy; nil where nothing has to be reckoned.
    ///   - capacity: units that may wait in the lane.
    mutating func admit(
        _ work: Work, to lane: inout Turns, serving: Int?, capacity: Int
    ) -> (refused: Work, error: PostgresError)? {
        let now = Moment.now
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

    /// The error for new work of a caller that may not wait; nil where it may.
    ///
    /// - Parameters:
    ///   - turns: what waits in the lane.
    ///   - serving: how many connections run work of the lane.
    mutating func refusal(
        _ lane: Work.Lane, of caller: Caller, by deadline: Moment, behind turns: borrowing Turns, serving: Int,
        at now: Moment
    ) -> PostgresError? {
        refusal(
            lane, by: deadline, ahead: turns.ahead(of: caller) + 1, serving: serving, since: turns.waitingSince(caller),
            at: now)
    }

    /// - Parameters:
    ///   - ahead: units that go before it, the one that runs included.
    ///   - since: since when work of the same member has been waiting; nil where none waits.
    mutating func refusal(
        _ lane: Work.Lane, by deadline: Moment, ahead: Int, serving: Int, since: Moment?, at now: Moment
    ) -> PostgresError? {
        let unit = unit[lane.rawValue]
        let wait = Double(ahead) * unit / Double(max(1, serving))
        let isStanding = since.map { $0.adding(milliseconds: Self.target) <= now } ?? false
        let allowance = isStanding ? max(Double(Self.target), Self.rounds * unit) : .infinity
        let left = Double(deadline.milliseconds(since: now))
        // Whose only work it is may be quicker than what others do: units are reckoned over all.
        let time = since == nil ? wait : wait + unit
        guard wait > allowance || time > left else { return nil }
        return overload(in: wait, at: now)
    }

    /// The error for work that finds no place, or loses it.
    mutating func overload(in wait: Double, at now: Moment) -> PostgresError {
        lastRefusal = now
        var error = PostgresError(.overloaded)
        error.retryAfterMilliseconds = Int(min(max(wait, Double(Self.target)), 5_000))
        return error
    }
}

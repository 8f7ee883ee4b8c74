import Locking

/// The waiting work, the running work and the connections, under one lock, so that no work is between two states.
final class WorkQueue: Sendable {
    struct State {
        var waiting: WaitingWork
        /// Workers without work. The last one to wait is woken first, because its connection's caches are warm.
        var idle: [Signal] = []
        /// Workers for urgent work that have none.
        var idleForUrgent: [Signal] = []
        /// Connections for all work, and for urgent work alone.
        var connected = 0
        var connectedForUrgent = 0
        /// The end of the last unit of work that PostgreSQL answered.
        var lastEnd: MonotonicTime?
        /// When work stops waiting for a connection; nil while there is one.
        var patienceEnds: MonotonicTime?
        var workers: Int
        var isClosing = false
        /// When the alarm fires; nil while it is not set.
        var alarm: MonotonicTime?
        var lastFailure: PostgresError?
        /// The last logged cause of missing connections; nil once there is a connection.
        var toldFailure: String?
        var pooling: PoolingTrial?
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    /// A worker's next action.
    enum Turn {
        case run(Work, mayRunAgain: Bool)
        /// Check that its session is still its own.
        case verify
        case refuse([Work], PostgresError)
        case end
    }

    private let state: Locked<State>
    private let alarmChanged = Signal()
    private let closing = Signal()
    private let outagePatience: Int?

    /// - Parameters:
    ///   - capacity: units that may wait in each lane.
    ///   - workers: the number of workers for all work.
    ///   - urgentWorkers: the number of workers for urgent work alone.
    ///   - outagePatience: milliseconds without any connection after which work is refused; nil for never.
    init(capacity: Int, workers: Int, urgentWorkers: Int, outagePatience: Int?) {
        self.outagePatience = outagePatience
        state = Locked(
            State(
                waiting: WaitingWork(capacity: capacity, connections: workers),
                patienceEnds: outagePatience.map { .after(milliseconds: $0) }, workers: workers + urgentWorkers))
    }

    var statistics: DatabaseStatistics {
        state.withLock { state in
            DatabaseStatistics(
                waiting: state.waiting.count, running: state.waiting.runningCount,
                connected: state.connected + state.connectedForUrgent)
        }
    }

    /// Whether work ended, or was refused for lack of capacity, within this many milliseconds.
    func activity(within milliseconds: Int) -> (hasEnded: Bool, isOverloaded: Bool) {
        let oldest = MonotonicTime.now.adding(milliseconds: -milliseconds)
        return state.withLock { state in
            (state.lastEnd.map { $0 >= oldest } ?? false, state.waiting.lastRefusal.map { $0 >= oldest } ?? false)
        }
    }

    func overload(ofWritingFor caller: Caller, deadline: MonotonicTime) -> PostgresError? {
        state.withLock { state in
            let error = state.waiting.overload(ofWritingFor: caller, deadline: deadline, connected: state.connected)
            return state.isClosing ? nil : error
        }
    }

    /// Adds work, or refuses it when it may not wait.
    func add(_ work: Work) {
        let (refused, worker, alarm) = state.withLock { state -> ((Work, PostgresError)?, Signal?, Bool) in
            if state.isClosing { return ((work, PostgresError(.closed)), nil, false) }
            if work.ticket.isCancelled { return ((work, PostgresError(.cancelled)), nil, false) }
            if state.isAway(at: .now) { return ((work, state.expiry), nil, false) }
            work.ticket.place = .waiting(work.lane, work.caller)
            let refused = state.waiting.add(work, connected: state.connected)
            if let refused {
                refused.refused.ticket.place = .done
                if refused.refused.ticket === work.ticket { return ((work, refused.error), nil, false) }
            }
            let worker = state.wakeable(for: work.lane)
            return (refused.map { ($0.refused, $0.error) }, worker, state.setAlarm(for: work, isTaken: worker != nil))
        }
        worker?.wakeAll()
        if alarm { alarmChanged.wakeAll() }
        if let (work, error) = refused { work.refuse(error) }
    }

    /// Puts work that could not run back at the front, unless its caller has given up in the meantime.
    func putBack(_ work: Work, hasRun: Bool) {
        let (refusal, worker, alarm) = state.withLock { state -> (PostgresError?, Signal?, Bool) in
            state.waiting.ended(work, since: nil)
            work.ticket.hasRun = work.ticket.hasRun || hasRun
            work.ticket.place = .done
            if state.isClosing { return (PostgresError(.closed), nil, false) }
            if work.ticket.isCancelled { return (PostgresError(.cancelled), nil, false) }
            state.waiting.putBack(work)
            work.ticket.place = .waiting(work.lane, work.caller)
            let worker = state.wakeable(for: work.lane)
            return (nil, worker, state.setAlarm(for: work, isTaken: worker != nil))
        }
        if let refusal { return work.refuse(refusal) }
        worker?.wakeAll()
        if alarm { alarmChanged.wakeAll() }
    }

    func cancel(_ ticket: Ticket) {
        let removed = state.withLock { state -> Work? in
            ticket.isCancelled = true
            switch ticket.place {
            case .outside, .done: return nil
            case .running(let interrupt, _):
                interrupt.raise()
                return nil
            case .waiting(let lane, let caller):
                ticket.place = .done
                return state.waiting.remove(ticket, from: lane, of: caller)
            }
        }
        removed?.refuse(PostgresError(.cancelled))
    }

    /// Takes the next work whose deadline has not passed, and marks it as running in the same step.
    ///
    /// - Parameter urgentOnly: true for a connection that only does urgent work.
    func next(for interrupt: Interrupt, wokenBy signal: Signal, urgentOnly: Bool) -> Turn {
        state.wait(for: signal) { state in
            state.idle.removeAll { $0 === signal }
            state.idleForUrgent.removeAll { $0 === signal }
            let now = MonotonicTime.now
            if let work = state.waiting.take(urgentOnly: urgentOnly) {
                guard work.deadline > now else {
                    work.ticket.place = .done
                    state.waiting.ended(work, since: nil)
                    return .found(.refuse([work], state.expiry))
                }
                interrupt.clear()
                work.ticket.place = .running(interrupt, since: now)
                if work.lane != .urgent { work.caller.begin() }
                return .found(.run(work, mayRunAgain: !work.ticket.hasRun))
            }
            if state.isClosing { return .found(.end) }
            if state.isOnTrial(at: now) { return .found(.verify) }
            if urgentOnly { state.idleForUrgent.append(signal) } else { state.idle.append(signal) }
            return .again(by: nil)
        }
    }

    /// - Parameter isAnswered: whether PostgreSQL is known to have answered, so that its connection can be used again.
    func finished(_ work: Work, isAnswered: Bool) {
        let worker = state.withLock { state in
            var start: MonotonicTime?
            if case .running(_, let since) = work.ticket.place { start = since }
            state.waiting.ended(work, since: start)
            if isAnswered { state.lastEnd = .now }
            work.ticket.place = .done
            // Work of a full lane may wait beside idle workers, and this worker may have lost its connection.
            return state.waiting.count > 0 ? state.idle.popLast() : nil
        }
        worker?.wakeAll()
    }
}

/// MARK: Deadlines and shutdown
extension WorkQueue {
    /// Refuses work whose deadline passes while it waits, and all work while PostgreSQL is unavailable. Sleeps until
    /// the next deadline; workers that keep up don't wake it.
    func watchDeadlines() {
        while true {
            let turn: Turn = state.wait(for: alarmChanged) { state in
                if state.isClosing { return .found(.end) }
                let now = MonotonicTime.now
                let isAway = state.isAway(at: now)
                let expired = state.waiting.removeAll { isAway || $0.deadline <= now }
                state.alarm = state.waiting.earliest { state.latestWait(of: $0) }
                guard expired.isEmpty else {
                    for work in expired { work.ticket.place = .done }
                    return .found(.refuse(expired, state.expiry))
                }
                return .again(by: state.alarm?.timespec)
            }
            guard case .refuse(let works, let error) = turn else { return }
            for work in works { work.refuse(error) }
        }
    }

    /// Counts a connection in or out. Returns whether it is the first one after a logged failure.
    @discardableResult
    func connected(_ isConnected: Bool, urgentOnly: Bool) -> Bool {
        let (alarm, isNews, worker) = state.withLock { state -> (Bool, Bool, Signal?) in
            if urgentOnly {
                state.connectedForUrgent += isConnected ? 1 : -1
            } else {
                state.connected += isConnected ? 1 : -1
            }
            state.lastFailure = nil
            let patience = outagePatience.map { MonotonicTime.after(milliseconds: $0) }
            state.patienceEnds = state.connected > 0 ? nil : state.patienceEnds ?? patience
            let isNews = isConnected && state.toldFailure != nil && state.pooling == nil
            if isNews { state.toldFailure = nil }
            let waits = state.waiting.count > 0
            // Wakes another worker for the work that the lost connection's worker would have taken.
            let worker = waits && !isConnected ? state.idle.popLast() : nil
            return (state.patienceEnds != nil && waits, isNews, worker)
        }
        if alarm { alarmChanged.wakeAll() }
        worker?.wakeAll()
        return isNews
    }

    /// Returns whether the cause differs from the last logged one. Refuses work for which waiting is useless.
    func failedToConnect(_ failure: PostgresError) -> Bool {
        let isNews = state.withLock { state in
            state.lastFailure = failure
            return state.isNews(failure)
        }
        if failure.isRefusal { alarmChanged.wakeAll() }
        return isNews
    }

    /// Refuses all work, because it could run in another client's session. Returns the same as `failedToConnect`.
    func sawPooling(_ evidence: PostgresError) -> Bool {
        let (isNews, idle) = state.withLock { state in
            state.pooling = PoolingTrial(evidence)
            return (state.isNews(evidence), state.idle + state.idleForUrgent)
        }
        for signal in idle + [alarmChanged] { signal.wakeAll() }
        return isNews
    }

    /// The error of all work until an operator changes something; nil when there is none.
    var refusal: PostgresError? { state.withLock { $0.refusal } }

    var isClosing: Bool { state.withLock { $0.isClosing } }

    /// Sleeps; returns false when the database is being closed.
    func pause(milliseconds: Int) -> Bool {
        let end = MonotonicTime.after(milliseconds: milliseconds)
        return state.wait(for: closing) { state in
            if state.isClosing { return .found(false) }
            return end <= .now ? .found(true) : .again(by: end.timespec)
        }
    }

    /// Refuses waiting and new work; workers end after their current work.
    func close() {
        let (refused, idle) = state.withLock { state -> ([Work], [Signal]) in
            state.isClosing = true
            let all = state.waiting.removeAll { _ in true }
            for work in all { work.ticket.place = .done }
            return (all, state.idle + state.idleForUrgent)
        }
        for signal in idle + [alarmChanged, closing] { signal.wakeAll() }
        for work in refused { work.refuse(PostgresError(.closed)) }
    }

    func workerEnded() {
        let closers = state.withLock { state in
            state.workers -= 1
            return state.workers == 0 ? state.closers : []
        }
        for closer in closers { closer.resume() }
    }

    func untilWorkersEnded() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.workers > 0 { state.closers.append(continuation) }
                return state.workers == 0
            }
            if isOver { continuation.resume() }
        }
    }
}

extension WorkQueue.State {
    /// The worker to wake for new work of this lane.
    fileprivate mutating func wakeable(for lane: Work.Lane) -> Signal? {
        lane == .urgent ? idleForUrgent.popLast() ?? idle.popLast() : idle.popLast()
    }

    fileprivate var refusal: PostgresError? {
        if let pooling { return pooling.evidence }
        return connected == 0 && lastFailure?.isRefusal == true ? lastFailure : nil
    }

    /// The order of the hosts' messages does not matter, because hosts take turns.
    fileprivate mutating func isNews(_ failure: PostgresError) -> Bool {
        let told = failure.cause.split(separator: ";").map { $0.drop { $0 == " " } }.sorted().joined(separator: ";")
        defer { toldFailure = told }
        return toldFailure != told
    }

    /// Ends a trial when nothing was seen for its duration and there were two connections that could see it.
    fileprivate mutating func isOnTrial(at now: MonotonicTime) -> Bool {
        guard let pooling else { return false }
        guard pooling.trustsAgain <= now, connected + connectedForUrgent >= min(2, workers) else { return true }
        (self.pooling, toldFailure) = (nil, nil)
        return false
    }

    /// The error of work that waited until its deadline.
    fileprivate var expiry: PostgresError {
        if let refusal { return refusal }
        if connected > 0 { return PostgresError(.deadlineExceeded) }
        return lastFailure ?? PostgresError(.unavailable, "no connection has been made yet")
    }

    /// Whether work is refused: waiting is useless, or there has been no connection for longer than work may wait.
    fileprivate func isAway(at now: MonotonicTime) -> Bool {
        refusal != nil || patienceEnds.map { $0 <= now } ?? false
    }

    /// The time until which work may currently wait.
    fileprivate func latestWait(of work: Work) -> MonotonicTime {
        refusal == nil ? min(work.deadline, patienceEnds ?? work.deadline) : .now
    }

    /// Whether to wake the thread that watches deadlines; false when a worker is about to take the work.
    fileprivate mutating func setAlarm(for work: Work, isTaken: Bool) -> Bool {
        guard !isTaken || waiting.count > 1 || !waiting.mayRun(work.lane) else { return false }
        let last = latestWait(of: work)
        if let alarm, alarm <= last { return false }
        alarm = last
        return true
    }
}

/// All waiting work, and the rules for running it concurrently.
///
/// Urgent work, such as the check of a key, goes before all other work and has a connection of its own. Reads and
/// writes take turns. Half of the other connections, if there are at least four, are kept for reads: writes wait for
/// each other's locks, and many concurrent writes complete no more work but take the processors from reads, refusals
/// and each other. One is kept for writes.
struct WaitingWork {
    private var urgent = Fifo<Work>()
    private var reads = Turns()
    private var writes = Turns()
    private var admission = Admission()
    private var running: [Work.Lane: Int] = [:]
    private var readsGoFirst = true
    /// Units of each lane that may run at once.
    private let maxRunning: [Work.Lane: Int]
    private let capacity: Int
    /// Units of urgent work that may run at once on connections for all work.
    private static let maxUrgent = 2

    /// - Parameters:
    ///   - capacity: units that may wait in a lane.
    ///   - connections: the number of connections for all work.
    init(capacity: Int, connections: Int) {
        self.capacity = capacity
        let forReads = connections < 4 ? 0 : connections / 2
        maxRunning = [.urgent: .max, .read: connections - min(forReads, 1), .write: connections - forReads]
    }

    var count: Int { urgent.count + reads.count + writes.count }
    var runningCount: Int { running.values.reduce(0, +) }
    var lastRefusal: MonotonicTime? { admission.lastRefusal }

    /// Adds work, or refuses it or other work in its favour. Returns the refused work and its error.
    ///
    /// - Parameter connected: the number of open connections.
    mutating func add(_ work: Work, connected: Int) -> (refused: Work, error: PostgresError)? {
        if work.lane == .urgent {
            guard urgent.count < capacity else { return (work, admission.overload(in: 0, at: .now)) }
            urgent.append(work)
            return nil
        }
        let serving = serving(work.lane, of: connected)
        return work.lane == .read
            ? admission.admit(work, to: &reads, serving: serving, capacity: capacity)
            : admission.admit(work, to: &writes, serving: serving, capacity: capacity)
    }

    /// The error for work that is not created yet; nil when it may wait.
    mutating func overload(ofWritingFor caller: Caller, deadline: MonotonicTime, connected: Int) -> PostgresError? {
        guard let serving = serving(.write, of: connected) else { return nil }
        return admission.refusal(.write, of: caller, by: deadline, behind: writes, serving: serving, at: .now)
    }

    /// The number of connections that serve a lane, all of them busy; nil when no estimate is needed, because one is
    /// idle or none is open.
    private func serving(_ lane: Work.Lane, of connected: Int) -> Int? {
        let all = connections(for: lane, of: connected)
        return connected > 0 && running[lane, default: 0] >= all ? all : nil
    }

    /// The number of connections that can run work of a lane beside the other lane's current work.
    private func connections(for lane: Work.Lane, of connected: Int) -> Int {
        let others = running[lane == .read ? .write : .read, default: 0]
        return min(maxRunning[lane] ?? 1, max(1, connected - others))
    }

    mutating func putBack(_ work: Work) {
        switch work.lane {
        case .urgent: urgent.prepend(work)
        case .read: reads.prepend(work, at: .now)
        case .write: writes.prepend(work, at: .now)
        }
    }

    /// Takes the next work, which counts as running from now on.
    mutating func take(urgentOnly: Bool) -> Work? {
        // A flood of key checks must not use all connections.
        let mayTakeUrgent = urgentOnly || running[.urgent, default: 0] < Self.maxUrgent
        var work = mayTakeUrgent ? urgent.popFirst() : nil
        for lane in readsGoFirst ? [Work.Lane.read, .write] : [.write, .read] where work == nil && !urgentOnly {
            guard mayRun(lane) else { continue }
            work = lane == .read ? reads.popFirst() : writes.popFirst()
            if work != nil { readsGoFirst = lane == .write }
        }
        if let work { running[work.lane, default: 0] += 1 }
        return work
    }

    /// Whether one more unit of a lane may run.
    func mayRun(_ lane: Work.Lane) -> Bool { running[lane, default: 0] < maxRunning[lane] ?? 1 }

    /// - Parameter since: when the work was taken; nil when it did not run.
    mutating func ended(_ work: Work, since: MonotonicTime?) {
        running[work.lane, default: 0] -= 1
        guard let since else { return }
        admission.learn(work.lane, took: Double(MonotonicTime.now.nanoseconds - since.nanoseconds) / 1e6)
    }

    mutating func remove(_ ticket: Ticket, from lane: Work.Lane, of caller: Caller) -> Work? {
        switch lane {
        case .urgent: urgent.removeAll { $0.ticket === ticket }.first
        case .read: reads.remove(from: caller.group) { $0.ticket === ticket }.first
        case .write: writes.remove(from: caller.group) { $0.ticket === ticket }.first
        }
    }

    mutating func removeAll(where isUnwanted: (Work) -> Bool) -> [Work] {
        urgent.removeAll(where: isUnwanted) + reads.removeAll(where: isUnwanted) + writes.removeAll(where: isUnwanted)
    }

    func earliest(by moment: (Work) -> MonotonicTime) -> MonotonicTime? {
        [urgent.earliest(by: moment), reads.earliest(by: moment), writes.earliest(by: moment)].compactMap(\.self).min()
    }
}

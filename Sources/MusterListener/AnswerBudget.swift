import Logging
import NIOConcurrencyHelpers
import Synchronization

/// Bounds the memory of replies over all connections of a listener: replies that wait for their callers to read them,
/// and bytes promised to replies that are being made.
///
/// Promises wait their turn, key after key. Finished replies are never refused: if they exceed the budget, the
/// connection with the most unread bytes is cut, preferably one whose peer has stopped reading.
public final class AnswerBudget: Sendable {
    /// The bounds, in bytes.
    public struct Bounds: Sendable {
        /// Bytes of all connections together.
        public var maxBytes: Int
        /// Bytes of one connection, unread and promised together; a single promise is always granted.
        public var maxPerConnection: Int
        /// Bytes promised at the same time, over all connections.
        public var maxInMaking: Int
        /// How long a peer may read nothing before its connection can be cut for others.
        public var patience: Duration

        /// All bounds.
        public init(maxBytes: Int, maxPerConnection: Int, maxInMaking: Int, patience: Duration) {
            (self.maxBytes, self.maxPerConnection, self.maxInMaking, self.patience) = (
                maxBytes, maxPerConnection, maxInMaking, patience
            )
        }
    }

    private let name: String
    private let log: RateLimitedLogger
    private let state: NIOLockedValueBox<State>
    private let used = Atomic(0)
    private let isFullNow = Atomic(false)
    private let aborts = Atomic(0)

    /// - Parameter name: the listener's name, for the log.
    public init(name: String, bounds: Bounds, log: RateLimitedLogger) {
        (self.name, self.log) = (name, log)
        state = NIOLockedValueBox(State(bounds: bounds))
    }

    /// Bytes of replies that are unread or promised.
    public var bytes: Int { used.load(ordering: .relaxed) }

    /// Connections that were cut to make room.
    public var abortCount: Int { aborts.load(ordering: .relaxed) }

    /// Whether the budget is used up; if so, connections with unread replies are not read from.
    public var isFull: Bool { isFullNow.load(ordering: .relaxed) }

    /// Opens the account of one connection.
    ///
    /// - Parameter abort: closes the connection at once; called from any thread.
    public func open(abort: @escaping @Sendable () -> Void) -> Account { Account(self, abort: abort) }

    /// Changes the state, then grants promises and cuts connections as needed.
    fileprivate func change(_ body: (inout State) -> Void) {
        let (granted, victims) = state.withLockedValue { state in
            body(&state)
            let outcome = state.settle(at: .now)
            used.store(state.used + state.leaving, ordering: .relaxed)
            isFullNow.store(state.isFull, ordering: .relaxed)
            return outcome
        }
        for waiter in granted { waiter.resume() }
        for (account, bytes) in victims {
            aborts.wrappingAdd(1, ordering: .relaxed)
            log.info(
                "Connection cut: its answers are not read",
                ["listener": "\(name)", "bytes": .stringConvertible(bytes)])
            account.abort()
        }
    }
}

extension AnswerBudget {
    /// The part of the budget that one connection uses.
    public final class Account: Sendable {
        private let budget: AnswerBudget
        fileprivate let abort: @Sendable () -> Void
        private let nextWaiter = Atomic<UInt64>(0)
        /// Changes only under the budget's lock.
        private let isClosed = Atomic(false)

        fileprivate init(_ budget: AnswerBudget, abort: @escaping @Sendable () -> Void) {
            (self.budget, self.abort) = (budget, abort)
        }

        /// Waits for room for a reply that is to be made. Throws if the task is cancelled or the account is closed
        /// meanwhile.
        ///
        /// - Parameter group: groups take turns; nil makes this account a group of its own.
        public func promise(_ bytes: Int, group: ObjectIdentifier? = nil) async throws {
            let id = nextWaiter.add(1, ordering: .relaxed).newValue
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    var wasRefused = false
                    budget.change { state in
                        // An earlier cancellation has found no waiter to resume.
                        wasRefused = Task.isCancelled || isClosed.load(ordering: .relaxed)
                        guard !wasRefused else { return }
                        let waiter = Waiter(id: id, bytes: bytes, continuation: continuation)
                        state.wait(waiter, self, in: group ?? ObjectIdentifier(self))
                    }
                    if wasRefused { continuation.resume(throwing: CancellationError()) }
                }
            } onCancel: {
                var waiter: Waiter?
                budget.change { waiter = $0.leave(self, id) }
                waiter?.continuation.resume(throwing: CancellationError())
            }
        }

        /// Makes a promise if there is room at once and nobody waits. Returns whether it did.
        public func promiseNow(_ bytes: Int) -> Bool {
            var isPromised = false
            budget.change { state in
                if !isClosed.load(ordering: .relaxed) { isPromised = state.promiseNow(bytes, self) }
            }
            return isPromised
        }

        /// Returns a promise: the reply is finished and counted by `holds`, or will never be made.
        public func settle(_ bytes: Int) { budget.change { $0.settle(self, bytes) } }

        /// Sets the number of unread bytes.
        public func holds(_ bytes: Int) {
            budget.change { state in
                if !isClosed.load(ordering: .relaxed) { state.hold(self, bytes, at: .now) }
            }
        }

        /// Notes that the peer has read something.
        public func moves() { budget.change { $0.moves(self, at: .now) } }

        /// Checks whether a waiter can go on if a connection that reads nothing is cut. Called regularly.
        public func look() { if budget.isFull { budget.change { _ in } } }

        /// Closes the account with its connection.
        public func close() {
            var waiters: [Waiter] = []
            budget.change { state in
                isClosed.store(true, ordering: .relaxed)
                waiters = state.close(self)
            }
            for waiter in waiters { waiter.continuation.resume(throwing: CancellationError()) }
        }
    }

    fileprivate struct Waiter: Sendable {
        let id: UInt64
        let bytes: Int
        let continuation: CheckedContinuation<Void, any Error>

        func resume() { continuation.resume() }
    }

    fileprivate struct Holding {
        let account: Account
        var held = 0
        var promised = 0
        /// Since when the peer has read nothing.
        var stuckSince = ContinuousClock.now
        var isAborted = false
        var group: ObjectIdentifier?
        var waiters: [Waiter] = []

        var isEmpty: Bool { held == 0 && promised == 0 && waiters.isEmpty }
    }

    fileprivate struct State {
        let bounds: Bounds
        private var holdings: [ObjectIdentifier: Holding] = [:]
        /// Waiting accounts by group. The first group is next, and the first account in each group.
        private var line: [(group: ObjectIdentifier, accounts: [ObjectIdentifier])] = []
        /// Unread and promised bytes, without those of connections that are being cut.
        private(set) var used = 0
        private(set) var leaving = 0
        private var promised = 0
        /// Whether there is no room for the next waiter.
        private var isBlocked = false

        init(bounds: Bounds) { self.bounds = bounds }

        var isFull: Bool { used >= bounds.maxBytes || isBlocked }

        // MARK: Events

        mutating func wait(_ waiter: Waiter, _ account: Account, in group: ObjectIdentifier) {
            let id = ObjectIdentifier(account)
            var holding = holdings[id] ?? Holding(account: account)
            holding.waiters.append(waiter)
            if holding.waiters.count == 1 {
                holding.group = group
                if let index = line.firstIndex(where: { $0.group == group }) {
                    line[index].accounts.append(id)
                } else {
                    line.append((group, [id]))
                }
            }
            holdings[id] = holding
        }

        /// Promises without waiting. Returns false if others wait or there is too little room.
        mutating func promiseNow(_ bytes: Int, _ account: Account) -> Bool {
            let id = ObjectIdentifier(account)
            var holding = holdings[id] ?? Holding(account: account)
            let own = holding.held + holding.promised
            guard line.isEmpty, !holding.isAborted, own == 0 || own + bytes <= bounds.maxPerConnection,
                promised == 0 || promised + bytes <= bounds.maxInMaking,
                used == 0 || used + bytes <= bounds.maxBytes
            else { return false }
            holding.promised += bytes
            promised += bytes
            used += bytes
            holdings[id] = holding
            return true
        }

        /// Removes and returns a waiter; nil if there is none with this id.
        mutating func leave(_ account: Account, _ waiterID: UInt64) -> Waiter? {
            let id = ObjectIdentifier(account)
            guard let index = holdings[id]?.waiters.firstIndex(where: { $0.id == waiterID }) else { return nil }
            let waiter = holdings[id]?.waiters.remove(at: index)
            if holdings[id]?.waiters.isEmpty ?? true { leaveLine(id) }
            tidy(id)
            return waiter
        }

        mutating func settle(_ account: Account, _ bytes: Int) {
            let id = ObjectIdentifier(account)
            holdings[id]?.promised -= bytes
            promised -= bytes
            used -= bytes
            tidy(id)
        }

        mutating func hold(_ account: Account, _ bytes: Int, at now: ContinuousClock.Instant) {
            let id = ObjectIdentifier(account)
            var holding = holdings[id] ?? Holding(account: account)
            if bytes < holding.held || holding.held == 0 { holding.stuckSince = now }
            if holding.isAborted { leaving += bytes - holding.held } else { used += bytes - holding.held }
            holding.held = bytes
            holdings[id] = holding
            tidy(id)
        }

        mutating func moves(_ account: Account, at now: ContinuousClock.Instant) {
            holdings[ObjectIdentifier(account)]?.stuckSince = now
        }

        mutating func close(_ account: Account) -> [Waiter] {
            let id = ObjectIdentifier(account)
            guard let holding = holdings[id] else { return [] }
            hold(account, 0, at: .now)
            holdings[id]?.waiters = []
            leaveLine(id)
            tidy(id)
            return holding.waiters
        }

        private mutating func tidy(_ id: ObjectIdentifier) { if holdings[id]?.isEmpty ?? false { holdings[id] = nil } }

        private mutating func leaveLine(_ id: ObjectIdentifier) {
            guard let group = holdings[id]?.group, let index = line.firstIndex(where: { $0.group == group }) else {
                return
            }
            line[index].accounts.removeAll { $0 == id }
            if line[index].accounts.isEmpty { line.remove(at: index) }
        }

        // MARK: Granting and cutting

        /// The waiters to resume, and the connections to cut with their unread bytes.
        mutating func settle(at now: ContinuousClock.Instant) -> (granted: [Waiter], victims: [(Account, Int)]) {
            var (granted, victims): ([Waiter], [(Account, Int)]) = ([], [])
            while used > bounds.maxBytes, let victim = largest(stuckAt: now) ?? largest(stuckAt: nil) {
                victims.append(leaves(victim))
            }
            isBlocked = false
            while let (id, waiter) = next() {
                guard promised == 0 || promised + waiter.bytes <= bounds.maxInMaking else { break }
                if used > 0, used + waiter.bytes > bounds.maxBytes {
                    guard let victim = largest(stuckAt: now) else {
                        isBlocked = true
                        break
                    }
                    victims.append(leaves(victim))
                    continue
                }
                grant(id)
                granted.append(waiter)
            }
            return (granted, victims)
        }

        /// The first waiter in the line whose own connection has room.
        private func next() -> (ObjectIdentifier, Waiter)? {
            for entry in line {
                for id in entry.accounts {
                    guard let holding = holdings[id], let waiter = holding.waiters.first else { continue }
                    let own = holding.held + holding.promised
                    if !holding.isAborted, own == 0 || own + waiter.bytes <= bounds.maxPerConnection {
                        return (id, waiter)
                    }
                }
            }
            return nil
        }

        private mutating func grant(_ id: ObjectIdentifier) {
            guard var holding = holdings[id], let index = line.firstIndex(where: { $0.group == holding.group }) else {
                return
            }
            let waiter = holding.waiters.removeFirst()
            holding.promised += waiter.bytes
            promised += waiter.bytes
            used += waiter.bytes
            holdings[id] = holding
            var entry = line.remove(at: index)
            entry.accounts.removeAll { $0 == id }
            if !holding.waiters.isEmpty { entry.accounts.append(id) }
            if !entry.accounts.isEmpty { line.append(entry) }
        }

        /// - Parameter now: limits the search to connections that have read nothing for a while; nil searches all.
        private func largest(stuckAt now: ContinuousClock.Instant?) -> ObjectIdentifier? {
            holdings.filter { _, holding in
                holding.held > 0 && !holding.isAborted && now.map { $0 - holding.stuckSince >= bounds.patience } ?? true
            }.max { ($0.value.held, $1.value.stuckSince) < ($1.value.held, $0.value.stuckSince) }?.key
        }

        private mutating func leaves(_ id: ObjectIdentifier) -> (Account, Int) {
            guard var holding = holdings[id] else { preconditionFailure("nobody holds that") }
            holding.isAborted = true
            used -= holding.held
            leaving += holding.held
            holdings[id] = holding
            return (holding.account, holding.held)
        }
    }
}

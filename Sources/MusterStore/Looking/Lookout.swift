import Locking
import MusterProtocol
import Postgres

/// The looks of one workspace, one at a time. Reads that arrive while a look is under way share the next one,
/// identifiers included: one look serves many calls and is still later than each arrival, so that every answer holds
/// what was acknowledged before the question.
final class Lookout: Sendable {
    /// One call that waits, for the shared look with this call's users only, or for the end of its own patience.
    private struct Waiting: Sendable {
        let request: LookRequest
        let deadline: ContinuousClock.Instant
        let answer = OneShot<Result<Look, any Error>>()
    }

    private struct State {
        var waiting: [Waiting] = []
        /// Those whom the look under way is for.
        var lookedFor: [Waiting] = []
        var isUnderWay = false
        var isWatched = false
    }

    /// Calls that one look serves at most, so that a flood makes many looks and not a long one.
    private static let maxCalls = 256

    /// How long after its deadline a call may hear of it, where the look that it shares has a later one.
    private static let watchInterval = Duration.milliseconds(100)

    /// Looks at once where a shared one failed, so that other workspaces have connections too.
    private static let maxApart = 2

    private let state = Locked(State())
    private let look: @Sendable (LookRequest, ContinuousClock.Instant) async throws -> Look
    private let counts: StoreCounts

    /// - Parameter look: one look for the union of some requests.
    init(counts: StoreCounts, _ look: @escaping @Sendable (LookRequest, ContinuousClock.Instant) async throws -> Look) {
        self.look = look
        self.counts = counts
    }

    /// - Parameter scope: of the call that asks; its workspace is that of the look-out.
    func look(_ request: LookRequest, for scope: WorkspaceScope) async throws -> Look {
        let waiting = Waiting(request: request, deadline: scope.deadline)
        let (begins, watches) = state.withLock { state in
            state.waiting.append(waiting)
            // Not two at once (tried): each would serve half as many calls, and a look costs more than its calls do.
            defer { (state.isUnderWay, state.isWatched) = (true, true) }
            return (!state.isUnderWay, !state.isWatched)
        }
        // Tasks of their own, and of no call, since a look belongs to all calls that it serves and must outlive the one
        // that began it. Each look has a deadline, the latest of its callers', so the first task ends when nobody waits
        // any more, and the second after it.
        if begins { Task { await serve() } }
        if watches { Task { await watch() } }
        let look = try await waiting.answer.value.get()
        scope.caller.begin()
        return look
    }

    private func serve() async {
        while let batch = next() {
            do { try await answer(batch) } catch { await answerApart(batch, after: error) }
        }
    }

    /// Ends the wait of calls whose deadline passes while the look goes on for more patient ones. Goes on from look to
    /// look: a timer for each would cost what a tenth of its calls do.
    private func watch() async {
        while true {
            // Not cancelled by anybody, so it doesn't throw.
            try? await Task.sleep(for: Self.watchInterval)
            let now = ContinuousClock.now
            let (expired, isOver) = state.withLock { state in
                let expired = (state.waiting + state.lookedFor).filter { $0.deadline <= now }
                state.waiting.removeAll { $0.deadline <= now }
                state.isWatched = state.isUnderWay
                return (expired, !state.isUnderWay)
            }
            for waiting in expired { waiting.answer.fulfill(.failure(PostgresError(.deadlineExceeded))) }
            if isOver { return }
        }
    }

    /// One look for all calls of a batch. Throws before any of them was answered.
    private func answer(_ batch: Batch) async throws {
        counts.looked(for: batch.calls.count)
        let (union, places) = batch.union
        let seen = try await look(union, batch.deadline)
        for (waiting, place) in zip(batch.calls, places) {
            var own = seen
            own.users = Array(seen.users[place..<place + waiting.request.users.count])
            waiting.answer.fulfill(.success(own))
        }
    }

    /// What is stored of one call's sets may be damaged, which is nothing to the others: calls that ask for the same
    /// have a look of their own. Where PostgreSQL is in trouble all hear of it at once: more looks would be more
    /// trouble.
    private func answerApart(_ batch: Batch, after error: any Error) async {
        let parts = batch.parts
        guard parts.count > 1, error.isOfOneQuestion else { return batch.fail(error) }
        await withTaskGroup(of: Void.self) { group in
            for (place, part) in parts.enumerated() {
                if place >= Self.maxApart { await group.next() }
                group.addTask { do { try await self.answer(part) } catch { part.fail(error) } }
            }
        }
    }

    private struct Batch: Sendable {
        let calls: [Waiting]

        /// The calls by what they depend on.
        var parts: [Batch] {
            Dictionary(grouping: calls) { ObjectIdentifier($0.request.scope) }.values.map { Batch(calls: $0) }
        }

        func fail(_ error: any Error) { for waiting in calls { waiting.answer.fulfill(.failure(error)) } }

        var deadline: ContinuousClock.Instant { calls.map(\.deadline).max() ?? .now }

        /// One request for all, and where each one's users begin in it.
        var union: (LookRequest, places: [Int]) {
            var scopes: [ObjectIdentifier: LookScope] = [:]
            var users: [UserReference] = []
            var wanted = WantedSets()
            let places = calls.map { waiting in
                scopes[ObjectIdentifier(waiting.request.scope)] = waiting.request.scope
                wanted.formUnion(waiting.request.wanted)
                defer { users += waiting.request.users }
                return users.count
            }
            let scope = LookScope(union: Array(scopes.values))
            return (LookRequest(scope: scope, users: users, wanted: wanted), places)
        }
    }

    private func next() -> Batch? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                (state.isUnderWay, state.lookedFor) = (false, [])
                return nil
            }
            let batch = Batch(calls: Array(state.waiting.prefix(Self.maxCalls)))
            state.waiting.removeFirst(batch.calls.count)
            state.lookedFor = batch.calls
            return batch
        }
    }
}

extension Error {
    /// Whether a look failed by what it read and not by how it went, so that one for other sets may succeed.
    fileprivate var isOfOneQuestion: Bool {
        if self is DamagedSet || self is ChangingTooFast { return true }
        return (self as? PostgresError)?.kind == .decoding
    }
}

extension LookScope {
    /// What any of the scopes depends on. Where two know different versions of a definition, the look is asked to tell
    /// it anew.
    convenience init(union scopes: [LookScope]) {
        if let only = scopes.first, scopes.count == 1 {
            self.init(
                cohorts: only.cohorts, segments: only.segments, attributes: only.attributes,
                events: only.events, allSegments: only.allSegments)
            return
        }
        var versions: [Identifier: Int64] = [:]
        for segment in scopes.flatMap(\.segments) {
            versions[segment.segmentID] =
                versions[segment.segmentID].map { $0 == segment.version ? $0 : 0 } ?? segment.version
        }
        self.init(
            cohorts: Array(Set(scopes.flatMap(\.cohorts))),
            segments: versions.map { SegmentVersion(segmentID: $0, version: $1) },
            attributes: Array(Set(scopes.flatMap(\.attributes))),
            events: Array(Set(scopes.flatMap(\.events))), allSegments: scopes.contains(where: \.allSegments))
    }
}

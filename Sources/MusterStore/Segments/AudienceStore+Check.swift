import Locking
public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// A user found by an earlier look, cached for reads that accept stale data.
struct SeenUser: Sendable {
    let user: FoundUser?
    let hasAttributes: Bool
    /// The event leaves that were tested for the user.
    let events: Set<EventLeaf>
    let at: ContinuousClock.Instant
}

struct UserKey: Hashable, Sendable {
    let workspace: WorkspaceID
    let user: UserReference
}

/// The answer to `segments.check` and `segments.of`.
public struct Membership: Sendable {
    /// In the order of the question's segments.
    public let segments: [Identifier]
    /// Whether each user is in each segment; nil for a user that doesn't exist.
    public let users: [[Bool]?]
    public let names: [Identifier: String]
    public let versions: Versions
}

extension AudienceStore {
    /// Tests whether users are in segments, all as of one state. Throws `FilterFault`.
    public func membership(
        of users: [UserReference], in question: Question, maxStaleness: Duration = .zero
    ) async throws -> Membership {
        for _ in 0..<Self.maxLooks {
            let plan = try await plan(for: question)
            let (look, found) = try await look(for: plan, users, maxStaleness)
            guard settled(plan, of: question, by: look) else { continue }
            let numbers = found.compactMap { $0?.number }
            // A user was found but isn't among everyone: it was merged or erased between two looks of different age.
            guard numbers.allSatisfy(look.everyone.members.contains) else {
                plan.recent.withLock { $0 = nil }
                for user in users { store.seenUsers.remove(UserKey(workspace: workspace, user: user)) }
                continue
            }
            return try membership(of: found, plan, look)
        }
        throw ChangingTooFast()
    }

    private func membership(of users: [FoundUser?], _ plan: Plan, _ look: Look) throws -> Membership {
        let attributes = plan.scope.attributes.isEmpty ? [:] : try passing(users, tests: plan.scope.attributes)
        let events = Dictionary(
            uniqueKeysWithValues: plan.scope.events.map { leaf in
                (leaf, MemberSet(users.compactMap { $0.flatMap { $0.events.contains(leaf) ? $0.number : nil } }))
            })
        let operands = try operands(of: plan, look, attributes, events)
        let evaluations = plan.evaluations(everyone: look.everyone, operands: operands)
        let reading = Reading(plan: plan, look: look, operands: operands)
        return Membership(
            segments: plan.segmentIDs,
            users: users.map { user in user.map { user in evaluations.map { $0.contains(user.number) } } },
            names: look.definitions.compactMapValues { $0?.name }, versions: reading.versions)
    }

    /// The users that pass each test, judged by their own rows.
    private func passing(_ users: [FoundUser?], tests: [AttributeFilter]) throws -> [AttributeFilter: MemberSet] {
        var passing = Dictionary(uniqueKeysWithValues: tests.map { ($0, [UInt32]()) })
        for case let user? in users {
            guard let attributes = user.attributes else { continue }
            try attributes.withUnsafeBytes { bytes in
                try AttributeTest.readers.read(bytes) { object in
                    for field in try object.fields() {
                        for test in tests where field.name.withUnsafeBytes({ $0.elementsEqual(test.name.bytes) }) {
                            if AttributeTest(test).matches(field.value) { passing[test]?.append(user.number) }
                        }
                    }
                }
            }
        }
        return passing.mapValues { MemberSet($0) }
    }

    /// The plan's sets and the users: from one look, or from memory if `maxStaleness` allows it.
    private func look(
        for plan: Plan, _ users: [UserReference], _ maxStaleness: Duration
    ) async throws -> (Look, [FoundUser?]) {
        if let recent = recentLook(of: plan, maxStaleness),
            let seen = seen(users, for: plan, maxStaleness)
        {
            return (recent, seen)
        }
        let look = try await self.look(LookRequest(scope: plan.scope, users: users))
        guard maxStaleness > .zero else { return (look, look.users) }
        // For a caller that accepts stale data, the result is cached for the next such caller.
        var kept = look
        kept.users = []
        plan.recent.withLock { $0 = kept }
        for (user, found) in zip(users, look.users) {
            store.seenUsers.put(
                SeenUser(
                    user: found, hasAttributes: !plan.scope.attributes.isEmpty, events: Set(plan.scope.events),
                    at: look.startedAt),
                for: UserKey(workspace: workspace, user: user), bytes: 256 + (found?.attributes?.count ?? 0))
        }
        return (look, look.users)
    }

    private func seen(_ users: [UserReference], for plan: Plan, _ maxStaleness: Duration) -> [FoundUser?]? {
        var found: [FoundUser?] = []
        let oldest = oldestAllowed(maxStaleness)
        for user in users {
            guard let seen = store.seenUsers[UserKey(workspace: workspace, user: user)], seen.at > oldest,
                seen.hasAttributes || plan.scope.attributes.isEmpty, seen.events.isSuperset(of: plan.scope.events)
            else { return nil }
            found.append(seen.user)
        }
        return found
    }
}

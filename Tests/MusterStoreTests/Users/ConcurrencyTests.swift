import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Concurrent calls. `RegistryFixture` checks at the end that everyone has exactly the users with a row, and that no
/// set has anybody else; that versions have no gaps and their tags chain is seen by loading the sets from their
/// changes.
@Suite struct ConcurrencyTests {
    @Test func concurrentUpsertsCreateEachUserOnce() async throws {
        try await RegistryFixture.with { fixture in
            let created = try await withThrowingTaskGroup(of: Int.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var created = 0
                        for round in 0..<5 {
                            let first = round * 40 + task * 5
                            let users = (first..<first + 80).map { number in
                                UserEntry(
                                    externalID: Identifier("u-\(number)"), deviceIDs: [Identifier("d-\(number)")],
                                    attributes: ["n": .integer(Int64(number))])
                            }
                            let reply = try await fixture.upsert(users.shuffled())
                            #expect(reply.refused == 0)
                            created += reply.created
                        }
                        return created
                    }
                }
                return try await group.reduce(0, +)
            }
            // From 0 to the last of the last round: 4 * 40 + 7 * 5 + 80.
            #expect(created == 275)
            let everyone = try await fixture.stored(SetKey.everyone)
            #expect(Array(everyone.members) == Array(0..<275))
            let workspace = fixture.workspace
            #expect(
                try await fixture.value(
                    "SELECT next_user_number::int8 FROM set_head WHERE workspace_id = \(workspace) AND set_number = 0")
                    == 275)
            #expect(
                try await fixture.value(
                    "SELECT count(*) FROM set_change WHERE workspace_id = \(workspace) AND set_number = 0")
                    == everyone.at.version)
        }
    }

    @Test func attributesOfOneUserAreNotLost() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for round in 0..<10 { try await fixture.upsert(.external("u", ["\(task).\(round)": 1])) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.attributes(of: .externalID("u"))?.count == 80)
        }
    }

    /// The same identifier, wanted by two new users at once, is one's.
    @Test func anIdentifierBelongsToOneUser() async throws {
        try await RegistryFixture.with { fixture in
            let outcomes = try await withThrowingTaskGroup(of: [UpsertResult].self) { group in
                for task in 0..<8 {
                    group.addTask {
                        let users = (0..<20).map {
                            UserEntry(externalID: Identifier("\(task)-\($0)"), deviceIDs: [Identifier("d-\($0)")])
                        }
                        return try await fixture.upsert(users).results
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(outcomes.count { $0.outcome == .created } == 20)
            #expect(outcomes.count { $0.reason == .taken } == 140)
            #expect(try await fixture.members(of: SetKey.everyone) == Array(0..<20))
        }
    }

    @Test func concurrentWritesOfAllKindsKeepTheInvariants() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                (0..<20).map { UserEntry(externalID: Identifier("u-\($0)"), deviceIDs: [Identifier("d-\($0)")]) })
            var cohorts: [Int32] = []
            for _ in 0..<4 { cohorts.append(try await fixture.cohort([])) }
            let refusals = try await withThrowingTaskGroup(of: Int.self) { [cohorts] group in
                for task in 0..<8 { group.addTask { try await fixture.doSomething(as: task, with: cohorts) } }
                return try await group.reduce(0, +)
            }
            // Some refer to a user that another task erased; if all did, nothing would be tested.
            #expect(refusals < 160)
        }
    }
}

extension RegistryFixture {
    /// Twenty things in turn, and how many were refused.
    fileprivate func doSomething(as task: Int, with cohorts: [Int32]) async throws -> Int {
        var refusals = 0
        for round in 0..<20 {
            let (a, b) = (Int.random(in: 0..<20), Int.random(in: 0..<20))
            do {
                switch (task + round) % 4 {
                case 0: try await merge(.externalID(Identifier("u-\(a)")), into: .deviceID(Identifier("d-\(b)")))
                case 1: try await delete(.externalID(Identifier("u-\(a)")), .deviceID(Identifier("d-\(b)")))
                case 2:
                    let device = Identifier("new-\(task)-\(round)")
                    try await upsert(UserEntry(deviceIDs: [device]), .external(Identifier("u-\(b)"), ["n": 1]))
                    try await identify(.deviceID(device), as: Identifier("u-\(a)"))
                default: try await importAUser(a, b, into: cohorts[a % 4])
                }
            } catch is UserRefusal { refusals += 1 }
        }
        return refusals
    }

    /// Resolves, and some time later takes the head: as an import does on a busy machine.
    private func importAUser(_ a: Int, _ b: Int, into number: Int32) async throws {
        let (workspace, cache) = (workspace, store.cache)
        let users = [a, b].map { UserReference.externalID(Identifier("u-\($0)")) }
        let set = SetKey(workspace: workspace, number: number)
        let state = try await store.in(workspace).transaction { connection in
            try connection.shareIdentity()
            let found = try connection.find(users).compactMap(\.self).map(\.rawValue)
            try connection.execute("SELECT pg_sleep(0.005)")
            let head = try #require(try connection.lockHead(set))
            let state = try connection.state(of: head, cache: cache)
            let change = state.members.effectiveChange(adding: MemberSet(found), removing: [])
            return try connection.append(added: change.added, removed: [], to: head, state: state, at: .now)
        }
        cache.put(state, for: set)
    }
}

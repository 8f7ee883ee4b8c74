import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Synchronization
import Testing

/// Something happens to a user between the moment in which an import has resolved her and the one in which it takes its
/// locks.
@Suite struct RaceTests {
    /// Imports through one server, and does `between` through the other one while the import is held.
    private func importing(
        _ change: CohortChange, _ pair: ServerPair, between: @escaping @Sendable (MusterClient) async throws -> Void
    ) async throws -> ImportCohort.Reply {
        let happened = Interleaving()
        let client = pair.throughB
        pair.a.store.failpoints.set(.importResolved) {
            // It comes here again after it has resolved again.
            guard happened.isFirst() else { return }
            do { try await between(client) } catch { happened.note(error) }
        }
        defer { pair.a.store.failpoints.set(.importResolved, nil) }
        let reply = try await pair.throughA.send(
            ImportCohort(partner: "tinyclues", cohortID: "c", changes: [change], withOutcomes: true))
        #expect(happened.failure == nil)
        #expect(!happened.isFirst(), "the import was not held")
        try await pair.expectSound()
        return reply
    }

    private func members(_ pair: ServerPair) async throws -> Set<Member> {
        let fromB = Set(try await pair.throughB.members(of: .cohort("c")))
        #expect(fromB == Set(try await pair.throughA.members(ofCohort: "c")))
        return fromB
    }

    @Test func anErasedUserIsInNoSet() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            let reply = try await importing(.adding(userIDs: ["u-0", "u-1"]), pair) { client in
                _ = try await client.send(DeleteUsers(users: [.externalID("u-0")]))
            }
            #expect(reply.receipt == Receipt(received: 2, added: 1, unknown: 1))
            #expect(try await members(pair) == [Member(externalID: "u-1")])
        }
    }

    @Test func anErasedUserRegisteredAgainIsANewUser() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await pair.throughA.importCohort("c", adding: ["u-0"])
            let reply = try await importing(.removing(userIDs: ["u-0", "u-1"]), pair) { client in
                _ = try await client.send(DeleteUsers(users: [.externalID("u-0")]))
                _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: "u-0")]))
                _ = try await client.importCohort("c", adding: ["u-0"])
            }
            #expect(reply.receipt == Receipt(received: 2, removed: 1, unchanged: 1))
            #expect(try await members(pair) == [])
        }
    }

    @Test func anAliasOfAMergedUserFindsTheKeptUser() async throws {
        try await ServerPair.with { pair in
            let alias = Alias(label: "crm", name: "1")
            _ = try await pair.throughA.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "gone", aliases: [alias]), UserEntry(externalID: "kept"),
                    UserEntry(externalID: "other"),
                ]))
            let change = CohortChange.adding(userIDs: ["gone", "other"], aliases: [alias])
            let reply = try await importing(change, pair) { client in
                _ = try await client.send(MergeUsers(merge: .externalID("gone"), keep: .externalID("kept")))
            }
            #expect(reply.outcomes == [OutcomeRun(.unknown, 1), OutcomeRun(.added, 2)])
            #expect(try await members(pair) == [Member(externalID: "kept"), Member(externalID: "other")])
        }
    }

    @Test func aDeviceOfAnIdentifiedUserChangesNothing() async throws {
        try await ServerPair.with { pair in
            _ = try await pair.throughA.send(
                UpsertUsers(users: [UserEntry(deviceIDs: ["d-0"]), UserEntry(deviceIDs: ["d-1"])]))
            let reply = try await importing(.adding(deviceIDs: ["d-0", "d-1"]), pair) { client in
                _ = try await client.send(IdentifyUser(user: .deviceID("d-0"), externalID: "u-0"))
            }
            #expect(reply.receipt == Receipt(received: 2, added: 1, identifiedDevice: 1))
            #expect(try await members(pair) == [Member(deviceIDs: ["d-1"])])
        }
    }

    @Test func aDeviceWhoseUserIsMergedChangesNothing() async throws {
        try await ServerPair.with(users: ["u-0"]) { pair in
            _ = try await pair.throughA.send(UpsertUsers(users: [UserEntry(deviceIDs: ["d-0"])]))
            try await pair.throughB.importCohort("c", removing: ["u-0"])
            let reply = try await importing(.adding(deviceIDs: ["d-0"]), pair) { client in
                let reply = try await client.send(IdentifyUser(user: .deviceID("d-0"), externalID: "u-0"))
                #expect(reply.outcome == .merged)
            }
            #expect(reply.receipt == Receipt(received: 1, identifiedDevice: 1))
            #expect(try await members(pair) == [])
        }
    }

    @Test func aCohortDeletedDuringAnImportIsCreatedAgain() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await pair.throughA.importCohort("c", adding: ["u-0"])
            let reply = try await importing(.adding(userIDs: ["u-1"]), pair) { client in
                _ = try await client.send(DeleteCohort(partner: "tinyclues", cohortID: "c"))
            }
            #expect(reply.version == 1)
            #expect(try await members(pair) == [Member(externalID: "u-1")])
        }
    }

    /// The same without anybody being held: whichever comes first, an erased user comes back nowhere.
    @Test func aUserErasedDuringHerImportIsInNoSet() async throws {
        try await ServerPair.with(users: .users(0..<40)) { pair in
            for round in 0..<40 {
                let user = Identifier("u-\(round)")
                async let imported = pair.throughA.importCohort("c", adding: [user])
                async let again = pair.throughB.importCohort("d", adding: [user])
                async let deleted = pair.throughB.send(DeleteUsers(users: [.externalID(user)]))
                _ = try await (imported, again, deleted)
                for client in pair.clients {
                    #expect(try await client.size(of: .any([.cohort("c"), .cohort("d")])) == 0)
                }
            }
            try await pair.expectSound()
        }
    }
}

/// Records that something happened once, and its error.
private final class Interleaving: Sendable {
    private let state = Mutex<(happened: Bool, failure: String?)>((false, nil))

    func isFirst() -> Bool {
        state.withLock { state in
            defer { state.happened = true }
            return !state.happened
        }
    }

    func note(_ error: any Error) { state.withLock { $0.failure = "\(error)" } }
    var failure: String? { state.withLock { $0.failure } }
}

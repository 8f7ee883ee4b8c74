import MusterClient
import MusterHandlers
import MusterProtocol
import MusterSets
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Merges and erasures by a server with an empty cache: it caches cohorts while memory allows, and otherwise reads
/// the chunks with these users, and nothing else.
@Suite struct CohortsOfUsersTests {
    private static let users = ["near", "other", "far", "farther"].map { Identifier($0) }

    /// Two users with numbers in the first chunk, two in the second; snapshots, and changes after them.
    private func withChunks(cacheBytes: Int, _ body: (ServerPair) async throws -> Void) async throws {
        try await ServerPair.with(users: Array(Self.users.prefix(2)), cacheBytes: (64 << 20, cacheBytes)) { pair in
            try await pair.asOwner { connection in
                try connection.run(
                    script: "UPDATE set_head SET next_user_number = (1 << 20) + 5 WHERE next_user_number IS NOT NULL")
            }
            try await pair.register(Array(Self.users.suffix(2)))
            try await pair.throughA.importCohort("both", adding: ["near", "far"])
            try await pair.throughA.importCohort("second", adding: ["farther"])
            try await pair.throughA.importCohort("first", adding: ["other"])
            for cohort in ["both", "second", "first"] as [Identifier] {
                let set = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet(cohort))
                #expect(try await pair.a.store.maintenance.in(set.workspace).compact(set) == 1)
            }
            try await pair.throughA.importCohort("first", adding: ["far"])
            try await pair.throughA.importCohort("second", adding: ["near"], removing: ["farther"])
            try await body(pair)
            try await pair.expectSound()
        }
    }

    private func members(of cohort: Identifier, _ client: MusterClient) async throws -> Set<Identifier> {
        let reply = try await client.send(ListCohortMembers(partner: "tinyclues", cohortID: cohort))
        #expect(
            try await client.send(SizeSegment(filter: .cohort("tinyclues", cohort))).size == reply.members.count)
        return Set(reply.members.compactMap(\.externalID))
    }

    private func expect(
        both: Set<Identifier>, first: Set<Identifier>, second: Set<Identifier>, _ pair: ServerPair
    ) async throws {
        for client in pair.clients {
            #expect(try await members(of: "both", client) == both)
            #expect(try await members(of: "first", client) == first)
            #expect(try await members(of: "second", client) == second)
        }
    }

    /// The size of the cache: enough for all, or for nothing.
    private static let caches = [64 << 20, 100]

    @Test(arguments: caches) func anErasedUserIsFoundInEveryChunk(cacheBytes: Int) async throws {
        try await withChunks(cacheBytes: cacheBytes) { pair in
            _ = try await pair.throughB.send(DeleteUsers(users: [.externalID("far"), .externalID("other")]))
            try await expect(both: ["near"], first: [], second: ["near"], pair)
        }
    }

    @Test(arguments: caches) func aMergedUserIsReplacedInOtherChunksToo(cacheBytes: Int) async throws {
        try await withChunks(cacheBytes: cacheBytes) { pair in
            let reply = try await pair.throughB.send(
                MergeUsers(merge: .externalID("far"), keep: .externalID("farther")))
            #expect(reply.changedSets == 2)
            try await expect(both: ["near", "farther"], first: ["other", "farther"], second: ["near"], pair)
            let second = try await pair.throughB.send(
                MergeUsers(merge: .externalID("farther"), keep: .externalID("near")))
            #expect(second.changedSets == 2)
            try await expect(both: ["near"], first: ["other", "near"], second: ["near"], pair)
        }
    }

    @Test func cohortsAreCachedWhileMemoryAllows() async throws {
        try await withChunks(cacheBytes: 64 << 20) { pair in
            let set = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet("first"))
            _ = try await pair.throughB.send(DeleteUsers(users: [.externalID("other")]))
            #expect(pair.b.store.cache[set]?.members.count == 1)
        }
    }

    /// What reads have in memory stays there, and what they have not is not kept.
    @Test func withoutMemoryNoCohortIsCached() async throws {
        try await withChunks(cacheBytes: 400) { pair in
            let first = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet("first"))
            let both = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet("both"))
            _ = try await members(of: "both", pair.throughB)
            _ = try await pair.throughB.send(DeleteUsers(users: [.externalID("other")]))
            #expect(pair.b.store.cache[first] == nil)
            #expect(pair.b.store.cache[both]?.members.count == 2)
            _ = try await pair.throughB.send(DeleteUsers(users: [.externalID("far")]))
            #expect(pair.b.store.cache[both]?.members.count == 1)
        }
    }
}

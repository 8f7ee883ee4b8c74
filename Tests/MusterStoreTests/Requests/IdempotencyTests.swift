import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

@Suite struct IdempotencyTests {
    @Test func aRepeatGetsTheRecordedReplyAndHasNoSecondEffect() async throws {
        try await RegistryFixture.with { fixture in
            let users = [UserEntry.external("u-1", ["n": 1]), .external("")]
            let first = try await fixture.upsert(users, requestID: "r-1")
            #expect(first.outcomes == [.created, .refused])
            let version = try await fixture.stored(SetKey.everyone).at
            #expect(try await fixture.upsert(users, requestID: "r-1") == first)
            #expect(try await fixture.stored(SetKey.everyone).at == version)
            #expect(try await fixture.upsert(users, requestID: "r-2").outcomes == [.unchanged, .refused])
        }
    }

    @Test func anotherPayloadUnderTheSameIDIsRefused() async throws {
        try await RegistryFixture.with { fixture in
            let store = fixture.store
            try await fixture.upsert([.external("u-1")], requestID: "r-1")
            await #expect(throws: RequestIDReused.self) {
                try await fixture.users.upsert(
                    [.external("u-2")], request: fixture.key(UpsertUsers.method, "r-1", digest: 2))
            }
            #expect(try await fixture.get(.externalID("u-2")) == nil)
            // The id belongs to the method, and to the workspace.
            try await fixture.upsert([.external("u-2"), .external("u-3")], requestID: "r-2")
            #expect(try await fixture.merge(.externalID("u-3"), into: .externalID("u-2"), requestID: "r-2") == 0)
            let other = RegistryFixture(
                database: fixture.database, store: store, workspace: try await fixture.database.makeWorkspace("other"))
            #expect(try await other.upsert([.external("u-9")], requestID: "r-1").outcomes == [.created])
        }
    }

    @Test func aRefusedRequestIsNotRecorded() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("kept"))
            await #expect(throws: UserRefusal.unknown("merge")) {
                try await fixture.merge(.externalID("later"), into: .externalID("kept"), requestID: "r")
            }
            try await fixture.upsert(.external("later"))
            try await fixture.merge(.externalID("later"), into: .externalID("kept"), requestID: "r")
            // The repeat alone would find no user to merge.
            #expect(try await fixture.merge(.externalID("later"), into: .externalID("kept"), requestID: "r") == 0)
        }
    }

    @Test func concurrentRepeatsHaveOneEffectAndOneReply() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("kept"), .external("gone"))
            _ = try await fixture.cohort([1])
            let merged = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await fixture.merge(.externalID("gone"), into: .externalID("kept"), requestID: "r")
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(merged == Array(repeating: 1, count: 8))
            let users = (0..<200).map { UserEntry.external(Identifier("u-\($0)"), ["n": 1]) }
            let replies = try await withThrowingTaskGroup(of: UpsertUsers.Reply.self) { group in
                for _ in 0..<8 { group.addTask { try await fixture.upsert(users, requestID: "r") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(replies.allSatisfy { $0.created == 200 })
            #expect(try await fixture.stored(SetKey.everyone).members.count == 201)
        }
    }
}

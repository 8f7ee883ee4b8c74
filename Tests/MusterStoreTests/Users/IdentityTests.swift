import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

@Suite struct IdentifyTests {
    @Test func anAnonymousUserGetsAnExternalID() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(aliases: [Alias(label: "crm", name: "1")], deviceIDs: ["d"]))
            let counter = try await fixture.identityCounter()
            #expect(try await fixture.identify(.deviceID("d"), as: "u-1") == .identified)
            #expect(try await fixture.number(of: .externalID("u-1")) == 0)
            // Imports no longer match its device, so an import that resolved it before must resolve again.
            #expect(try await fixture.identityCounter() == counter + 1)
            #expect(try await fixture.identify(.crm("1"), as: "u-1") == .unchanged)
            #expect(try await fixture.identify(.externalID("u-1"), as: "u-1") == .unchanged)
        }
    }

    @Test func identifyingWithATakenIDMergesTheUsers() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(deviceIDs: ["d"], attributes: ["n": 1, "m": 1]), .external("u-1", ["n": 2]), .external("u-2"))
            let cohort = try await fixture.cohort([0, 2])
            #expect(try await fixture.identify(.deviceID("d"), as: "u-1") == .merged)
            let user = try #require(try await fixture.get(.deviceID("d")))
            #expect(user.externalID == "u-1")
            #expect(user.attributes.byName == (["n": 2, "m": 1] as Attributes).byName)
            #expect(try await fixture.members(of: cohort) == [1, 2])
            #expect(try await fixture.members(of: SetKey.everyone) == [1, 2])
        }
    }

    @Test func identifiedAndUnknownUsersAreRefused() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d"]), .external("u-2"))
            for id: Identifier in ["u-2", "u-3"] {
                await #expect(throws: UserRefusal.otherExternalID) {
                    try await fixture.identify(.deviceID("d"), as: id)
                }
            }
            await #expect(throws: UserRefusal.unknown("user")) { try await fixture.identify(.deviceID("x"), as: "u-1") }
        }
    }
}

@Suite struct DeleteTests {
    @Test func anErasedUserIsInNoSetAndNoReply() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(externalID: "u-0", aliases: [Alias(label: "crm", name: "0")], deviceIDs: ["d"]),
                .external("u-1"), .external("u-2"))
            let sets = [
                try await fixture.cohort([0, 1]), try await fixture.cohort([1]), try await fixture.cohort([0]),
            ]
            let untouched = try await fixture.stored(sets[1]).at
            let counter = try await fixture.identityCounter()
            let reply = try await fixture.delete(
                .externalID("u-0"), .deviceID("d"), .externalID("nobody"), .crm("nobody"), .externalID("nobody"))
            // A user named twice counts once; each reference without a user counts.
            #expect(reply == .init(deleted: 1, unknown: 3))
            #expect(try await fixture.identityCounter() == counter + 1)
            for reference in [UserReference.externalID("u-0"), .crm("0"), .deviceID("d")] {
                #expect(try await fixture.get(reference) == nil)
            }
            var members: [[UInt32]] = []
            for set in sets { members.append(try await fixture.members(of: set)) }
            #expect(members == [[1], [1], []])
            #expect(try await fixture.stored(sets[1]).at == untouched)
            try await fixture.upsert(.external("u-0"))
            #expect(try await fixture.number(of: .externalID("u-0")) == 3)
            #expect(try await fixture.get(.externalID("u-0"))?.deviceIDs == [])
        }
    }

    @Test func aThousandUsersAreDeletedAtOnce() async throws {
        try await RegistryFixture.with { fixture in
            let ids = (0..<2_000).map { Identifier("u-\($0)") }
            try await fixture.upsert(ids.map { .external($0, ["n": 1]) })
            let cohort = try await fixture.cohort(MemberSet((0..<2_000).filter { $0 % 3 == 0 }.map(UInt32.init)))
            let users = ids[500..<1_500].map(UserReference.externalID)
            let reply = try await fixture.users.delete(
                users, request: fixture.key(DeleteUsers.method, nil))
            #expect(reply == .init(deleted: 1_000, unknown: 0))
            #expect(try await fixture.members(of: SetKey.everyone) == Array(0..<500) + Array(1_500..<2_000))
            #expect(try await fixture.stored(cohort).members.count == 334)
        }
    }

    @Test func deletingUnknownUsersIsNoChange() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u"))
            let before = try await fixture.stored(SetKey.everyone).at
            #expect(try await fixture.delete() == .init(deleted: 0, unknown: 0))
            #expect(try await fixture.delete(.deviceID("a\nb"), .externalID("")) == .init(deleted: 0, unknown: 2))
            #expect(try await fixture.stored(SetKey.everyone).at == before)
        }
    }
}

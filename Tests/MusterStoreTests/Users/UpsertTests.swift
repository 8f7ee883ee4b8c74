import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import Testing

@testable import MusterStore

@Suite struct UpsertTests {
    @Test func aUserIsCreatedOnceAndThenFound() async throws {
        try await RegistryFixture.with { fixture in
            let entry = UserEntry(
                externalID: "u-1", aliases: [Alias(label: "crm", name: "4711")], deviceIDs: ["d-1"],
                attributes: ["country": "FR", "purchases": 3])
            #expect(try await fixture.upsert(entry).outcomes == [.created])
            #expect(try await fixture.upsert(entry).outcomes == [.unchanged])
            for reference in [UserReference.externalID("u-1"), .crm("4711"), .deviceID("d-1")] {
                let user = try #require(try await fixture.get(reference))
                #expect(user.externalID == "u-1")
                #expect(user.aliases == [Alias(label: "crm", name: "4711")])
                #expect(user.deviceIDs == ["d-1"])
                #expect(user.attributes.byName == (["country": "FR", "purchases": 3] as Attributes).byName)
            }
            #expect(try await fixture.get(.externalID("u-2")) == nil)
            #expect(try await fixture.members(of: SetKey.everyone) == [0])
        }
    }

    @Test func anEntryMeansTheUserOfItsFirstIdentifierAndAddsTheOthers() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(aliases: [Alias(label: "crm", name: "1")]), UserEntry(deviceIDs: ["d-1"]))
            let reply = try await fixture.upsert(
                UserEntry(
                    aliases: [Alias(label: "crm", name: "1"), Alias(label: "web", name: "x")], deviceIDs: ["d-2"]),
                UserEntry(deviceIDs: ["d-1", "d-3"], attributes: ["a": 1]))
            #expect(reply.outcomes == [.updated, .updated])
            #expect(try await fixture.number(of: .deviceID("d-2")) == 0)
            #expect(try await fixture.number(of: .alias(Alias(label: "web", name: "x"))) == 0)
            #expect(try await fixture.number(of: .deviceID("d-3")) == 1)
        }
    }

    /// An entry may mean a stored user by an identifier that only an earlier entry of its batch gives that user.
    @Test func anIdentifierAddedInABatchFindsTheStoredUserInTheSameBatch() async throws {
        try await RegistryFixture.with { fixture in
            let devices = (0..<Limits.devicesPerUser.value - 2).map { Identifier("d-\($0)") }
            try await fixture.upsert(
                UserEntry(
                    externalID: "u-1", aliases: [Alias(label: "crm", name: "1")], deviceIDs: devices,
                    attributes: ["country": "FR", "age": 25, "gone": false]))
            let reply = try await fixture.upsert(
                UserEntry(externalID: "u-1", deviceIDs: ["new-1"]),
                UserEntry(deviceIDs: ["new-1", "new-2"]),
                UserEntry(deviceIDs: ["new-2"], attributes: ["country": "IT"]),
                UserEntry(deviceIDs: ["new-2", "new-3"]))
            #expect(reply.outcomes == [.updated, .updated, .updated, .refused])
            #expect(reply.results.last?.reason == .tooMany)
            #expect(
                try await fixture.attributes(of: .externalID("u-1"))
                    == (["country": "IT", "age": 25, "gone": false] as Attributes).byName)
        }
    }

    @Test func theDeviceLimitCoversAUserFoundByAnAliasOfTheSameBatch() async throws {
        try await RegistryFixture.with { fixture in
            let devices = (0..<Limits.devicesPerUser.value).map { Identifier("d-\($0)") }
            try await fixture.upsert(UserEntry(aliases: [Alias(label: "crm", name: "1")], deviceIDs: devices))
            let web = Alias(label: "web", name: "x")
            let reply = try await fixture.upsert(
                UserEntry(aliases: [Alias(label: "crm", name: "1"), web]),
                UserEntry(aliases: [web], deviceIDs: ["one more"]))
            #expect(reply.outcomes == [.updated, .refused])
            #expect(reply.results.last?.reason == .tooMany)
        }
    }

    @Test func anEntryWithOnlyADeviceOfAnIdentifiedUserUpdatesThatUser() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d-1"]))
            let reply = try await fixture.upsert(UserEntry(deviceIDs: ["d-1"], attributes: ["seen": true]))
            #expect(reply.outcomes == [.updated])
            #expect(try await fixture.attributes(of: .externalID("u-1")) == (["seen": true] as Attributes).byName)
        }
    }

    @Test func anUnknownExternalIDIsANewUserAndNeverTheAnonymousOneOfTheEntrysAlias() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(aliases: [Alias(label: "crm", name: "1")]))
            let reply = try await fixture.upsert(
                UserEntry(externalID: "u-1", aliases: [Alias(label: "crm", name: "1")]))
            #expect(reply.results == [.init(.refused, reason: .taken, message: "aliases[0] belongs to another user")])
            #expect(try await fixture.get(.externalID("u-1")) == nil)
        }
    }

    @Test func entriesAreAppliedInOrderAndSeeThoseBefore() async throws {
        try await RegistryFixture.with { fixture in
            let reply = try await fixture.upsert(
                .external("u-1", ["n": 1]), UserEntry(externalID: "u-1", deviceIDs: ["d-1"]),
                UserEntry(deviceIDs: ["d-1"], attributes: ["n": 2]), .external("u-1", ["n": 2]),
                UserEntry(externalID: "u-2", deviceIDs: ["d-1"]), .external("u-2"))
            #expect(reply.outcomes == [.created, .updated, .updated, .unchanged, .refused, .created])
            #expect((reply.created, reply.updated, reply.unchanged, reply.refused) == (2, 2, 1, 1))
            #expect(try await fixture.attributes(of: .externalID("u-1")) == (["n": 2] as Attributes).byName)
            #expect(try await fixture.members(of: SetKey.everyone) == [0, 1])
        }
    }

    @Test func composedDecomposedAndOtherCasesAreDifferentUsers() async throws {
        try await RegistryFixture.with { fixture in
            let ids: [Identifier] = ["caf\u{E9}", "cafe\u{301}", "Caf\u{E9}", "CAF\u{C9}", "cafe"]
            #expect(try await fixture.upsert(ids.map { .external($0) }).created == 5)
            let aliases = ids.map { UserEntry(aliases: [Alias(label: "crm", name: $0)], deviceIDs: [$0]) }
            #expect(try await fixture.upsert(aliases).created == 5)
            var found: [UInt32?] = []
            for id in ids { found.append(try await fixture.number(of: .externalID(id))?.rawValue) }
            for id in ids { found.append(try await fixture.number(of: .crm(id))?.rawValue) }
            #expect(found == Array(0..<10))
            let devices = try await fixture.get(.deviceID(ids[1]))?.deviceIDs
            #expect(devices == [ids[1]])
        }
    }

    @Test func userNumbersAreDenseDespiteRepeatsAndRefusals() async throws {
        try await RegistryFixture.with { fixture in
            for batch in 0..<4 {
                let users = (0..<50).map { UserEntry.external(Identifier("u-\(batch * 25 + $0)")) }
                try await fixture.upsert(users + [UserEntry(), .external("")])
            }
            #expect(try await fixture.members(of: SetKey.everyone) == Array(0..<125))
            try await fixture.delete(.externalID("u-124"))
            try await fixture.upsert(.external("u-124"))
            #expect(try await fixture.number(of: .externalID("u-124")) == 125)
        }
    }

    @Test func workspacesDoNotShareUsers() async throws {
        try await RegistryFixture.with { fixture in
            let other = RegistryFixture(
                database: fixture.database, store: fixture.store,
                workspace: try await fixture.database.makeWorkspace("other")
            )
            try await fixture.upsert(.external("u-1", ["mine": true]))
            #expect(try await other.get(.externalID("u-1")) == nil)
            #expect(try await other.upsert(.external("u-1")).outcomes == [.created])
            #expect(try await other.delete(.externalID("u-1")).deleted == 1)
            #expect(try await fixture.attributes(of: .externalID("u-1"))?.count == 1)
            try await other.checkInvariants()
        }
    }

    @Test func updatedAtMovesWithChangesOnly() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u-1", ["n": 1]))
            let made = try #require(try await fixture.get(.externalID("u-1")))
            #expect(made.createdAt == made.updatedAt)
            try await fixture.upsert(.external("u-1", ["n": 1]))
            #expect(try await fixture.get(.externalID("u-1")) == made)
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d-1"]))
            let changed = try #require(try await fixture.get(.externalID("u-1")))
            #expect(changed.createdAt == made.createdAt)
            #expect(changed.updatedAt > made.updatedAt)
        }
    }
}

import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

extension RegistryFixture {
    func rename(_ renames: (Identifier, Identifier)...) async throws -> [RenameOutcome] {
        try await users.renameExternalIDs(
            renames.map { ExternalIDRename(current: $0, new: $1) }, request: key(RenameExternalIDs.method, nil)
        ).results
    }

    func removeIDs(_ ids: Identifier...) async throws -> [RemovalOutcome] {
        try await users.removeExternalIDs(
            ids, request: key(RemoveExternalIDs.method, nil)
        ).results
    }

    func updateAliases(_ updates: (Identifier, Identifier)...) async throws -> [RenameOutcome] {
        try await users.updateAliases(
            updates.map { AliasUpdate(label: "crm", oldName: $0, newName: $1) },
            request: key(UpdateAliases.method, nil)
        ).results
    }
}

@Suite struct RenameTests {
    @Test func aFormerExternalIDFindsItsUserUntilItIsRemoved() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a", ["n": 1]), .external("b"))
            let counter = try await fixture.identityCounter()
            #expect(try await fixture.rename(("a", "c")) == [.renamed])
            #expect(try await fixture.identityCounter() == counter + 1)
            let user = try #require(try await fixture.get(.externalID("a")))
            #expect(user.externalID == "c" && user.deprecatedExternalIDs == ["a"])
            #expect(try await fixture.number(of: .externalID("a")) == 0)
            #expect(try await fixture.upsert(.external("a", ["n": 2])).outcomes == [.updated])
            #expect(try await fixture.get(.externalID("c"))?.attributes["n"] == 2)
            // No other user can take it, by any call.
            #expect(try await fixture.rename(("b", "a")) == [.taken])
            try await fixture.upsert(UserEntry(deviceIDs: ["d"]))
            #expect(try await fixture.identify(.deviceID("d"), as: "a") == .merged)
            #expect(try await fixture.get(.deviceID("d"))?.externalID == "c")
            #expect(try await fixture.removeIDs("a", "c", "x") == [.removed, .notDeprecated, .unknown])
            #expect(try await fixture.get(.externalID("a")) == nil)
            #expect(try await fixture.upsert(.external("a")).outcomes == [.created])
        }
    }

    @Test func renamesAreAppliedInOrderAndRefusedOneByOne() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"), .external("b"))
            let results = try await fixture.rename(
                ("a", "c"), ("c", "d"), ("b", "a"), ("x", "y"), ("a", "z"), ("b", "b"), ("b", ""), ("b", "e"))
            #expect(results == [.renamed, .renamed, .taken, .unknown, .notPrimary, .unchanged, .invalid, .renamed])
            #expect(try await fixture.get(.externalID("a"))?.externalID == "d")
            #expect(try await fixture.get(.externalID("d"))?.deprecatedExternalIDs == ["a", "c"])
            #expect(try await fixture.get(.externalID("b"))?.externalID == "e")
        }
    }

    @Test func mergedAndErasedUsersAreNotFoundByFormerIDs() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"), .external("b"), .external("c"))
            _ = try await fixture.rename(("a", "a2"), ("b", "b2"), ("c", "c2"))
            try await fixture.merge(.externalID("a"), into: .externalID("b"))
            #expect(try await fixture.get(.externalID("a")) == nil)
            #expect(try await fixture.get(.externalID("b"))?.deprecatedExternalIDs == ["b"])
            #expect(try await fixture.delete(.externalID("c"), .externalID("c2")).deleted == 1)
            #expect(try await fixture.get(.externalID("c")) == nil)
            #expect(try await fixture.upsert(.external("a"), .external("c")).outcomes == [.created, .created])
        }
    }
}

@Suite struct AliasUpdateTests {
    @Test func aliasesChangeNamesInOrder() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(externalID: "u", aliases: [Alias(label: "crm", name: "a")]),
                UserEntry(externalID: "v", aliases: [Alias(label: "crm", name: "b")]))
            // A swap over a third name, within one call.
            let results = try await fixture.updateAliases(
                ("a", "b"), ("a", "tmp"), ("b", "a"), ("tmp", "b"), ("x", "y"), ("a", "a"), ("a", ""))
            #expect(results == [.taken, .renamed, .renamed, .renamed, .unknown, .unchanged, .invalid])
            #expect(try await fixture.get(.crm("a"))?.externalID == "v")
            #expect(try await fixture.get(.crm("b"))?.externalID == "u")
            #expect(try await fixture.get(.crm("tmp")) == nil)
        }
    }

    @Test func anImportResolvesAnAliasAgainAfterAChange() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(aliases: [Alias(label: "crm", name: "a")]))
            let counter = try await fixture.identityCounter()
            #expect(try await fixture.updateAliases(("a", "b")) == [.renamed])
            #expect(try await fixture.identityCounter() == counter + 1)
        }
    }
}

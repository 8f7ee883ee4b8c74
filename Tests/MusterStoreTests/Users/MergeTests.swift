import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

@Suite struct MergeTests {
    @Test func theKeptUserGetsTheIdentifiersOfTheMergedOne() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(
                    externalID: "kept", aliases: [Alias(label: "crm", name: "k")], deviceIDs: ["d-k"],
                    attributes: ["country": "FR", "kept": 1]),
                UserEntry(
                    externalID: "gone", aliases: [Alias(label: "crm", name: "g"), Alias(label: "web", name: "g")],
                    deviceIDs: ["d-g"], attributes: ["country": "DE", "age": 40]))
            try await fixture.merge(.externalID("gone"), into: .externalID("kept"))
            let user = try #require(try await fixture.get(.externalID("kept")))
            #expect(user.aliases == [Alias(label: "crm", name: "k"), Alias(label: "web", name: "g")])
            #expect(user.deviceIDs == ["d-g", "d-k"])
            #expect(user.attributes.byName == (["country": "FR", "kept": 1, "age": 40] as Attributes).byName)
            #expect(try await fixture.number(of: .deviceID("d-g")) == 0)
            #expect(try await fixture.get(.externalID("gone")) == nil)
            #expect(try await fixture.get(.crm("g")) == nil)
            // The external id is free now, so a new user can have it.
            #expect(try await fixture.upsert(.external("gone")).outcomes == [.created])
            #expect(try await fixture.number(of: .externalID("gone")) == 2)
        }
    }

    @Test func aUserOfManyCohortsIsMergedAndErasedInAllOfThem() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            var sets: [Int32] = []
            for number in 0..<1_100 { sets.append(try await fixture.cohort(number % 2 == 0 ? [1, 3] : [0, 1, 2])) }
            let merging = try await ContinuousClock().measure {
                let changed = try await fixture.merge(.externalID("u-1"), into: .externalID("u-0"))
                #expect(changed == 1_100)
            }
            let erasing = try await ContinuousClock().measure {
                try await fixture.delete(.externalID("u-3"), .externalID("u-2"))
            }
            print("1,100 cohorts: merged in \(merging), erased in \(erasing)")
            for (number, set) in sets.enumerated() where number % 50 < 2 || (498...502).contains(number) {
                #expect(try await fixture.members(of: set) == [0])
                // One step for each call, for any number of changes.
                #expect(try await fixture.stored(set).at.version == 3)
            }
        }
    }

    @Test(arguments: [true, false])
    func theKeptUserReplacesTheMergedOneInEverySet(cached: Bool) async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            let both = try await fixture.cohort([0, 1, 2])
            let merged = try await fixture.cohort([1, 3])
            let kept = try await fixture.cohort([0, 3])
            let neither = try await fixture.cohort([3])
            let empty = try await fixture.cohort([])
            if cached { for set in [both, merged, kept, neither] { try await fixture.add([2], to: set) } }
            let before = try await fixture.stored(neither).at
            let changed = try await fixture.merge(.externalID("u-1"), into: .externalID("u-0"))
            #expect(changed == 2)
            let more: [UInt32] = cached ? [2] : []
            #expect(try await fixture.members(of: both) == [0, 2])
            #expect(try await fixture.members(of: merged) == [0] + more + [3])
            #expect(try await fixture.members(of: kept) == [0] + more + [3])
            #expect(try await fixture.stored(neither).at == before)
            #expect(try await fixture.members(of: empty) == [])
            #expect(try await fixture.members(of: SetKey.everyone) == [0, 2, 3])
        }
    }

    @Test func setsChangedByAnotherServerAreRefreshed() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<600).map { .external(Identifier("u-\($0)")) })
            let near = try await fixture.cohort([9])
            let far = try await fixture.cohort([9])
            for set in [near, far] { try await fixture.add([1], to: set) }  // known here at version 2
            try await fixture.add([5], to: near, keepingInCache: false)
            for member in 10..<270 { try await fixture.add([UInt32(member)], to: far, keepingInCache: false) }
            #expect(try await fixture.merge(.externalID("u-5"), into: .externalID("u-6")) == 1)
            #expect(try await fixture.merge(.externalID("u-269"), into: .externalID("u-6")) == 1)
            #expect(try await fixture.members(of: near) == [1, 6, 9])
            #expect(try await fixture.stored(far).members.count == 262)
        }
    }

    @Test func storedListingsAreNotChanged() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"), .external("b"))
            let set = try await fixture.cohort([0, 1])
            let workspace = fixture.workspace
            try await fixture.store.in(workspace).transaction { connection in
                try connection.execute(
                    """
                    UPDATE set_head SET kind = 'listing', expires_at = now() + '1 hour'
                    WHERE workspace_id = \(workspace) AND set_number = \(set)
                    """)
            }
            #expect(try await fixture.merge(.externalID("b"), into: .externalID("a")) == 0)
            #expect(try await fixture.members(of: set) == [0, 1])
            // Back to a cohort without the unused number, for the checks at the end.
            try await fixture.store.in(workspace).transaction { connection in
                try connection.execute("DELETE FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(set)")
            }
        }
    }

    @Test func aMergedNumberResolvesToTheLastKeptUser() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            try await fixture.merge(.externalID("u-0"), into: .externalID("u-1"))
            try await fixture.merge(.externalID("u-2"), into: .externalID("u-1"))
            try await fixture.merge(.externalID("u-1"), into: .externalID("u-3"))
            let workspace = fixture.workspace
            let pairs = try await fixture.store.in(workspace).read(
                """
                SELECT merged_number, kept_number FROM merged_user WHERE workspace_id = \(workspace) ORDER BY 1
                """
            ) { row in [try row.value(0, as: Int32.self), try row.value(1, as: Int32.self)] }
            #expect(pairs == [[0, 3], [1, 3], [2, 3]])
        }
    }

    @Test func anInvalidMergeIsRefusedAndChangesNothing() async throws {
        try await RegistryFixture.with { fixture in
            let many = (0..<100).map { Alias(label: Identifier("l\($0)"), name: "a") }
            let others = (50..<129).map { Alias(label: Identifier("l\($0)"), name: "b") }
            try await fixture.upsert(
                UserEntry(externalID: "a", aliases: many), UserEntry(externalID: "b", aliases: others),
                UserEntry(externalID: "c", deviceIDs: (0..<65).map { Identifier("c\($0)") }),
                UserEntry(externalID: "d", deviceIDs: (0..<64).map { Identifier("d\($0)") }),
                .external("e", Attributes((0..<200).map { .init(name: Array("e\($0)".utf8), value: 1) })),
                .external("f", Attributes((0..<57).map { .init(name: Array("f\($0)".utf8), value: 1) })))
            let refused: [(UserReference, UserReference, UserRefusal)] = [
                (.externalID("a"), .externalID("b"), .tooMany(Limits.aliasesPerUser)),
                (.externalID("c"), .externalID("d"), .tooMany(Limits.devicesPerUser)),
                (.externalID("e"), .externalID("f"), .tooMany(Limits.attributesPerUser)),
                (.externalID("x"), .externalID("a"), .unknown("merge")),
                (.externalID("a"), .externalID("x"), .unknown("keep")),
                (.externalID("c"), .deviceID("c0"), .sameUser),
            ]
            let counter = try await fixture.identityCounter()
            for (merged, kept, refusal) in refused {
                await #expect(throws: refusal) { try await fixture.merge(merged, into: kept) }
            }
            #expect(try await fixture.identityCounter() == counter)
            #expect(try await fixture.members(of: SetKey.everyone) == Array(0..<6))
            #expect(try await fixture.get(.externalID("b"))?.aliases.count == 79)
            // One fewer of everything fits.
            try await fixture.upsert(.external("f", ["f0": .null]))
            try await fixture.merge(.externalID("e"), into: .externalID("f"))
            #expect(try await fixture.attributes(of: .externalID("f"))?.count == 256)
        }
    }

    @Test func theCountersRiseSoThatImportsAndFiltersResolveAgain() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a", ["n": 1]), .external("b", ["n": 2]), .external("c"), .external("d"))
            let (counter, version) = (try await fixture.identityCounter(), try await fixture.attributesVersion())
            try await fixture.merge(.externalID("c"), into: .externalID("d"))
            #expect(try await fixture.identityCounter() == counter + 1)
            #expect(try await fixture.attributesVersion() == version)
            // Nothing is filled in, but the merged user's number passed the tests of filters.
            try await fixture.merge(.externalID("b"), into: .externalID("a"))
            #expect(try await fixture.attributesVersion() == version + 1)
        }
    }
}

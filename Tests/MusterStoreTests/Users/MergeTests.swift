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
        try await Place.with { place in
            try await place.upsert(
                UserEntry(
                    externalID: "kept", aliases: [Alias(label: "crm", name: "k")], deviceIDs: ["d-k"],
                    attributes: ["country": "FR", "kept": 1]),
                UserEntry(
                    externalID: "gone", aliases: [Alias(label: "crm", name: "g"), Alias(label: "web", name: "g")],
                    deviceIDs: ["d-g"], attributes: ["country": "DE", "age": 40]))
            try await place.merge(.externalID("gone"), into: .externalID("kept"))
            let user = try #require(try await place.get(.externalID("kept")))
            #expect(user.aliases == [Alias(label: "crm", name: "k"), Alias(label: "web", name: "g")])
            #expect(user.deviceIDs == ["d-g", "d-k"])
            #expect(user.attributes.byName == (["country": "FR", "kept": 1, "age": 40] as Attributes).byName)
            #expect(try await place.number(of: .deviceID("d-g")) == 0)
            #expect(try await place.get(.externalID("gone")) == nil)
            #expect(try await place.get(.crm("g")) == nil)
            // The external id is free now, so a new user can have it.
            #expect(try await place.upsert(.external("gone")).outcomes == [.created])
            #expect(try await place.number(of: .externalID("gone")) == 2)
        }
    }

    @Test func aUserOfManyCohortsIsMergedAndErasedInAllOfThem() async throws {
        try await Place.with { place in
            try await place.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            var sets: [Int32] = []
            for number in 0..<1_100 { sets.append(try await place.cohort(number % 2 == 0 ? [1, 3] : [0, 1, 2])) }
            let merging = try await ContinuousClock().measure {
                let changed = try await place.merge(.externalID("u-1"), into: .externalID("u-0"))
                #expect(changed == 1_100)
            }
            let erasing = try await ContinuousClock().measure {
                try await place.delete(.externalID("u-3"), .externalID("u-2"))
            }
            print("1,100 cohorts: merged in \(merging), erased in \(erasing)")
            for (number, set) in sets.enumerated() where number % 50 < 2 || (498...502).contains(number) {
                #expect(try await place.members(of: set) == [0])
                // One step for each call, for any number of changes.
                #expect(try await place.stored(set).at.version == 3)
            }
        }
    }

    @Test(arguments: [true, false])
    func theKeptUserReplacesTheMergedOneInEverySet(cached: Bool) async throws {
        try await Place.with { place in
            try await place.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            let both = try await place.cohort([0, 1, 2])
            let merged = try await place.cohort([1, 3])
            let kept = try await place.cohort([0, 3])
            let neither = try await place.cohort([3])
            let empty = try await place.cohort([])
            if cached { for set in [both, merged, kept, neither] { try await place.add([2], to: set) } }
            let before = try await place.stored(neither).at
            let changed = try await place.merge(.externalID("u-1"), into: .externalID("u-0"))
            #expect(changed == 2)
            let more: [UInt32] = cached ? [2] : []
            #expect(try await place.members(of: both) == [0, 2])
            #expect(try await place.members(of: merged) == [0] + more + [3])
            #expect(try await place.members(of: kept) == [0] + more + [3])
            #expect(try await place.stored(neither).at == before)
            #expect(try await place.members(of: empty) == [])
            #expect(try await place.members(of: SetKey.everyone) == [0, 2, 3])
        }
    }

    @Test func setsChangedByAnotherServerAreRefreshed() async throws {
        try await Place.with { place in
            try await place.upsert((0..<600).map { .external(Identifier("u-\($0)")) })
            let near = try await place.cohort([9])
            let far = try await place.cohort([9])
            for set in [near, far] { try await place.add([1], to: set) }  // known here at version 2
            try await place.add([5], to: near, keepingInCache: false)
            for member in 10..<270 { try await place.add([UInt32(member)], to: far, keepingInCache: false) }
            #expect(try await place.merge(.externalID("u-5"), into: .externalID("u-6")) == 1)
            #expect(try await place.merge(.externalID("u-269"), into: .externalID("u-6")) == 1)
            #expect(try await place.members(of: near) == [1, 6, 9])
            #expect(try await place.stored(far).members.count == 262)
        }
    }

    @Test func storedListingsAreNotChanged() async throws {
        try await Place.with { place in
            try await place.upsert(.external("a"), .external("b"))
            let set = try await place.cohort([0, 1])
            let workspace = place.workspace
            try await place.store.in(workspace).transaction { connection in
                try connection.execute(
                    """
                    UPDATE set_head SET kind = 'listing', expires_at = now() + '1 hour'
                    WHERE workspace_id = \(workspace) AND set_number = \(set)
                    """)
            }
            #expect(try await place.merge(.externalID("b"), into: .externalID("a")) == 0)
            #expect(try await place.members(of: set) == [0, 1])
            // Back to a cohort without the unused number, for the checks at the end.
            try await place.store.in(workspace).transaction { connection in
                try connection.execute("DELETE FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(set)")
            }
        }
    }

    @Test func aMergedNumberResolvesToTheLastKeptUser() async throws {
        try await Place.with { place in
            try await place.upsert((0..<4).map { .external(Identifier("u-\($0)")) })
            try await place.merge(.externalID("u-0"), into: .externalID("u-1"))
            try await place.merge(.externalID("u-2"), into: .externalID("u-1"))
            try await place.merge(.externalID("u-1"), into: .externalID("u-3"))
            let workspace = place.workspace
            let pairs = try await place.store.in(workspace).read(
                """
                SELECT merged_number, kept_number FROM merged_user WHERE workspace_id = \(workspace) ORDER BY 1
                """
            ) { row in [try row.value(0, as: Int32.self), try row.value(1, as: Int32.self)] }
            #expect(pairs == [[0, 3], [1, 3], [2, 3]])
        }
    }

    @Test func anInvalidMergeIsRefusedAndChangesNothing() async throws {
        try await Place.with { place in
            let many = (0..<100).map { Alias(label: Identifier("l\($0)"), name: "a") }
            let others = (50..<129).map { Alias(label: Identifier("l\($0)"), name: "b") }
            try await place.upsert(
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
            let counter = try await place.identityCounter()
            for (merged, kept, refusal) in refused {
                await #expect(throws: refusal) { try await place.merge(merged, into: kept) }
            }
            #expect(try await place.identityCounter() == counter)
            #expect(try await place.members(of: SetKey.everyone) == Array(0..<6))
            #expect(try await place.get(.externalID("b"))?.aliases.count == 79)
            // One fewer of everything fits.
            try await place.upsert(.external("f", ["f0": .null]))
            try await place.merge(.externalID("e"), into: .externalID("f"))
            #expect(try await place.attributes(of: .externalID("f"))?.count == 256)
        }
    }

    @Test func theCountersRiseSoThatImportsAndFiltersResolveAgain() async throws {
        try await Place.with { place in
            try await place.upsert(.external("a", ["n": 1]), .external("b", ["n": 2]), .external("c"), .external("d"))
            let (counter, version) = (try await place.identityCounter(), try await place.attributesVersion())
            try await place.merge(.externalID("c"), into: .externalID("d"))
            #expect(try await place.identityCounter() == counter + 1)
            #expect(try await place.attributesVersion() == version)
            // Nothing is filled in, but the merged user's number passed the tests of filters.
            try await place.merge(.externalID("b"), into: .externalID("a"))
            #expect(try await place.attributesVersion() == version + 1)
        }
    }
}

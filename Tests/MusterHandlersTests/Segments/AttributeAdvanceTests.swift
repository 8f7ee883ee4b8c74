import MusterClient
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterStore

/// The cached state of an attribute is refreshed by the changed users, and equals a full scan.
@Suite struct AttributeAdvanceTests {
    private static let isFive = Filter.attribute("x", .equals, .number(5))

    @Test func aChangedUserIsScannedAlone() async throws {
        try await withMuster { muster in
            try await muster.set("x", 5, of: ["ada", "ben"])
            #expect(try await muster.size(Self.isFive) == 2)
            #expect(muster.scans == 1)
            try await muster.set("other", 1, of: ["ada", "cleo", "eve"])
            #expect(try await muster.size(Self.isFive) == 2)
            try await muster.set("x", 5, of: ["cleo", "dan"])
            #expect(try await muster.size(Self.isFive) == 4)
            try await muster.set("x", 6, of: ["ben"])
            _ = try await muster.send(MergeUsers(merge: .externalID("ada"), keep: .externalID("eve")))
            _ = try await muster.send(DeleteUsers(users: [.externalID("dan")]))
            #expect(try await muster.size(Self.isFive) == 2)
            #expect(try await muster.size(.not(Self.isFive)) == 1)
            #expect(muster.scans == 1)
        }
    }

    @Test func aVersionWithoutNotesOrALongDistanceCausesAFullScan() async throws {
        try await withMuster { muster in
            try await muster.set("x", 5, of: ["ada"])
            #expect(try await muster.size(Self.isFive) == 1)
            try await muster.set("x", 5, of: ["ben"])
            try await muster.database.run("DELETE FROM attribute_change")
            #expect(try await muster.size(Self.isFive) == 2)
            #expect(muster.scans == 2)
            try await muster.set("x", 5, of: (0..<1_001).map { Identifier("u-\($0)") })
            #expect(try await muster.size(Self.isFive) == 1_003)
            #expect(muster.scans == 3)
            // A history that is no more had the same version.
            try await muster.database.run("UPDATE set_head SET tag = tag + 1 WHERE set_number = 1")
            #expect(try await muster.size(Self.isFive) == 1_003)
            #expect(muster.scans == 4)
        }
    }

    @Test func maintenancePrunesNotesThatNoReadNeeds() async throws {
        try await withMuster { muster in
            let many = (0..<600).map { Identifier("u-\($0)") }
            try await muster.set("x", 1, of: many)
            try await muster.set("x", 2, of: many)
            try await muster.set("x", 3, of: ["u-1"])
            #expect(try await muster.server.store.maintenance.run(Retention()).attributeChangesPruned == 1)
            #expect(try await muster.server.store.maintenance.run(Retention()).attributeChangesPruned == 0)
        }
    }

    @Test func everyFilterAnswersAsAFreshServerDoes() async throws {
        var random = TestSeed("Attributes").random
        let filters = ["x", "y", "z"].flatMap { (name: Identifier) -> [Filter] in
            let tests: [(Comparison, FilterValue?)] = [
                (.exists, nil), (.doesNotExist, nil), (.equals, .number(2)), (.greaterThan, .number(1)),
                (.notEqual, .string("red")), (.includesValue, .string("red")),
            ]
            return tests.map { Filter.attribute(name, $0, $1) }
        }
        let mixed = Filter.any([.all([filters[3], filters[8]]), .not(filters[17])])
        try await withMuster(users: (0..<40).map { Identifier("u-\($0)") }) { muster in
            for step in 0..<40 {
                for _ in 0..<Int.random(in: 0...3, using: &random) { try await change(muster, &random) }
                let fresh = try await TestServer(
                    databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
                let other = MusterUnderTest(server: fresh, client: fresh.client(), database: muster.database)
                for filter in filters.shuffled(using: &random).prefix(6) + [mixed] {
                    let found = try await muster.members(of: filter)
                    #expect(try await other.members(of: filter) == found, "step \(step): \(filter)")
                    #expect(try await other.size(filter) == (try await muster.size(filter)), "step \(step): \(filter)")
                }
                await other.client.close()
                await fresh.stop()
            }
            // Each name was scanned, and no more than the filters of it.
            #expect(muster.scans <= filters.count)
        }
    }

    private func change(_ muster: MusterUnderTest, _ random: inout SeededRandom) async throws {
        let ids = (0..<60).map { Identifier("u-\($0)") }.shuffled(using: &random)
        let name = ["x", "y", "z", "w"].randomElement(using: &random) ?? "x"
        let values: [AttributeValue] = [1, 2, 3, "red", .strings([Array("red".utf8)]), .null]
        switch Int.random(in: 0..<10, using: &random) {
        case 0: _ = try? await muster.send(MergeUsers(merge: .externalID(ids[0]), keep: .externalID(ids[1])))
        case 1: _ = try await muster.send(DeleteUsers(users: [.externalID(ids[0])]))
        case 2:
            let alias = Alias(label: "l", name: ids[2])
            let x = Attributes([.init(name: Array(name.utf8), value: 2)])
            _ = try await muster.send(UpsertUsers(users: [UserEntry(aliases: [alias], attributes: x)]))
            _ = try? await muster.send(IdentifyUser(user: .alias(alias), externalID: ids[3]))
        case 3:
            let json = "{\"attributes\":[{\"external_id\":\"\(ids[0].text)\",\"\(name)\":{\"inc\":1}}]}"
            _ = try await muster.send(JSONDecoding.decode(TrackUsers.self, from: Array(json.utf8)))
        default:
            let value = values.randomElement(using: &random) ?? 1
            try await muster.set(name, value, of: Array(ids.prefix(Int.random(in: 1...5, using: &random))))
        }
    }
}

extension MusterUnderTest {
    /// Scans of attributes that its server made.
    fileprivate var scans: Int { server.store.counts.leafScans }

    fileprivate func size(_ filter: Filter) async throws -> Int { try await send(SizeSegment(filter: filter)).size }

    fileprivate func set(_ name: String, _ value: AttributeValue, of users: [Identifier]) async throws {
        let attributes = Attributes([.init(name: Array(name.utf8), value: value)])
        _ = try await send(
            UpsertUsers(users: users.map { UserEntry(externalID: $0, attributes: attributes) }))
    }
}

import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

@Suite struct FindingTests {
    @Test func everyUserHasABrazeIDThatStays() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u-1"), .external("u-2"))
            let ids = [
                try await fixture.get(.externalID("u-1"))?.brazeID, try await fixture.get(.externalID("u-2"))?.brazeID,
            ]
            let (one, two) = (try #require(ids[0]), try #require(ids[1]))
            #expect(one != two && one.bytes.count == 24)
            #expect(one.bytes.allSatisfy { "0123456789abcdef".utf8.contains($0) })
            try await fixture.upsert(.external("u-1", ["n": 1]))
            #expect(try await fixture.get(.brazeID(one))?.externalID == "u-1")
            try await fixture.merge(.brazeID(two), into: .brazeID(one))
            #expect(try await fixture.get(.brazeID(two)) == nil)
            #expect(try await fixture.delete(.brazeID(one)).deleted == 1)
        }
    }

    @Test func prioritizationChoosesAmongSeveralUsers() async throws {
        try await RegistryFixture.with { fixture in
            let mail: Attributes = ["email": "a@x.eu"]
            for user in [
                UserEntry(externalID: "old", attributes: mail), UserEntry(deviceIDs: ["old"], attributes: mail),
                UserEntry(externalID: "new", attributes: mail), UserEntry(deviceIDs: ["new"], attributes: mail),
            ] { try await fixture.upsert(user) }
            func found(_ wishes: Prioritization...) async throws -> String? {
                let user = try await fixture.get(.email(Contact("A@x.eu", wishes.isEmpty ? nil : wishes)))
                return user.map { ($0.externalID == nil ? "anonymous " : "") + ($0.externalID ?? $0.deviceIDs[0]).text }
            }
            #expect(try await found() == "new")
            #expect(try await found(.mostRecentlyUpdated) == "anonymous new")
            #expect(try await found(.leastRecentlyUpdated) == "old")
            #expect(try await found(.unidentified, .mostRecentlyUpdated) == "anonymous new")
            #expect(try await found(.unidentified, .leastRecentlyUpdated) == "anonymous old")
            #expect(try await found(.identified, .leastRecentlyUpdated) == "old")
            // More than one is left, so the reference is ambiguous.
            #expect(try await found(.identified) == nil)
            #expect(try await found(.unidentified) == nil)
            try await fixture.delete(.externalID("old"))
            #expect(try await found(.identified) == "new")
            try await fixture.delete(.externalID("new"))
            #expect(try await found() == "anonymous new")
            #expect(try await fixture.get(.email(Contact("b@x.eu"))) == nil)
        }
    }

    @Test func anAddressIsTextThatFitsIntoAnIndex() async throws {
        try await RegistryFixture.with { fixture in
            let long = [UInt8](repeating: UInt8(ascii: "x"), count: 1_025)
            try await fixture.upsert(
                .external("u-1", ["email": .string(long), "phone": 33]), .external("u-2", ["email": "É@X.eu"]))
            #expect(try await fixture.get(.email(Contact(Identifier(bytes: long)))) == nil)
            #expect(try await fixture.get(.phone(Contact("33"))) == nil)
            // Only A to Z are made small, here as in the database.
            #expect(try await fixture.get(.email(Contact("É@x.EU")))?.externalID == "u-2")
            #expect(try await fixture.get(.email(Contact("é@x.eu"))) == nil)
        }
    }

    /// With row-level security, and for a table that the planner takes for small.
    @Test func anAddressIsFoundByAnIndex() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<50).map { .external(Identifier("u-\($0)"), ["email": "a@x.eu"]) })
            for reference in [
                UserReference.email(Contact("a@x.eu")), .phone(Contact("1")), .brazeID("x"), .externalID("u"),
            ] {
                let found = try #require(UserLookup([reference]).users(in: fixture.workspace, deprecated: true))
                var explain: SQL = "EXPLAIN "
                explain += found
                let sql = explain
                let plan = try await fixture.store.in(fixture.workspace).read(sql) { row in
                    try row.value(0, as: String.self)
                }
                #expect(!plan.contains { $0.contains("Seq Scan") }, "\(plan.joined(separator: "\n"))")
                #expect(plan.contains { $0.contains("Index") && $0.contains("registered_user") })
            }
        }
    }
}

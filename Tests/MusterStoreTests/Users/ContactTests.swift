import Foundation
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// E-mail addresses and telephone numbers, by which users are found: the same whichever call wrote them.
@Suite struct ContactTests {
    private enum Writer: CaseIterable { case upsert, track }

    /// What is kept of attributes that one of both calls writes; nil where it refuses them.
    private func kept(_ attributes: Attributes, _ writer: Writer, _ muster: MusterUnderTest) async throws -> Attributes?
    {
        switch writer {
        case .upsert:
            let reply = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "u-1", attributes: attributes), UserEntry(externalID: "u-2")])
            )
            #expect(reply.results[1].outcome != .refused)
            if reply.results[0].outcome == .refused { return nil }
        case .track:
            var object = attributes
            object["external_id"] = "u-1"
            let reply = try await muster.send(TrackUsers(attributes: [object, ["external_id": "u-2"]]))
            #expect(reply.attributesProcessed == 2 - reply.errors.count)
            if !reply.errors.isEmpty {
                #expect(
                    reply.errors[0].index == 0
                        && ["'email' is not valid", "'phone' is not valid"].contains(reply.errors[0].type))
                return nil
            }
        }
        return try await muster.send(GetUser(user: .externalID("u-1"))).attributes
    }

    @Test func bothCallsStoreContactsTheSame() async throws {
        try await withMuster { muster in
            for writer in Writer.allCases {
                for (sent, expected): (AttributeValue, AttributeValue) in [
                    ("Ada@Example.COM", "ada@example.com"), ("  ada@example.com \t\r\n", "ada@example.com"),
                    ("a+b@x.eu", "a+b@x.eu"), ("é@exämple.eu", "é@exämple.eu"), ("a@localhost", "a@localhost"),
                    ("\u{A0}x@y.z\u{A0}", "x@y.z"), (" \u{2003}\u{3000} x@y.z\u{85}\u{202F}\t", "x@y.z"),
                    ("à@y.z", "à@y.z"), ("x@y.à", "x@y.à"),
                ] {
                    let attributes = try await kept(["email": sent], writer, muster)
                    #expect(attributes?["email"] == expected)
                }
                for (sent, expected): (AttributeValue, AttributeValue) in [
                    (" +331 ", "+331"), ("\u{A0}+331\u{A0}", "+331"), ("0049 1", "0049 1"), (.integer(49_151), "49151"),
                ] {
                    let attributes = try await kept(["phone": sent], writer, muster)
                    #expect(attributes?["phone"] == expected)
                }
                let nothing = try await kept(["email": .null, "phone": .null], writer, muster)
                #expect(nothing == [:])
            }
        }
    }

    @Test func anInvalidContactIsTheErrorOfItsObject() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            for writer in Writer.allCases {
                for sent: AttributeValue in [
                    "", "  ", "ada", "@", "ada@", "@x.eu", "a@b@c", "a b@x.eu", "a@x..eu", "a@.eu", "a@x.",
                    "a@x.eu\u{1}b", .integer(7),
                    .bool(true), .strings([Array("a@x.eu".utf8)]),
                ] {
                    let attributes = try await kept(["email": sent], writer, muster)
                    #expect(attributes == nil, "\(writer) \(sent)")
                }
                for sent: AttributeValue in [
                    "", " \n", "\u{A0}", "1\u{1}2", .bool(false), .number(1.5), .integer(-1), .strings([]),
                ] {
                    let attributes = try await kept(["phone": sent], writer, muster)
                    #expect(attributes == nil, "\(writer) \(sent)")
                }
            }
            #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes == [:])
        }
    }

    /// By the statement of docs/operations.md; what builds from before the rule wrote is put here by hand.
    @Test func olderUsersAreFoundByTheStatementAndRepairedByTheirOwnValue() async throws {
        let page = try String(
            contentsOf: Repository.file("docs/operations.md"),
            encoding: .utf8)
        let statement = try #require(page.firstMatch(of: /```sql\n(SELECT w.name[^`]*)```/)?.1)
        let values: [(String, AttributeValue)] = [
            ("email", " ada@x.eu"), ("email", "ada@x.eu\u{B}"), ("phone", "+331\t"), ("phone", .integer(49_151)),
            ("email", "\u{A0}ada@x.eu"), ("phone", "+331\u{3000}"),
        ]
        try await RegistryFixture.with { fixture in
            for (number, (name, value)) in values.enumerated() {
                let entry = UserEntry(externalID: Identifier("u-\(number)"), attributes: [name: value])
                try await fixture.upsert(
                    entry, UserEntry(externalID: "good", attributes: ["email": "a@x.eu", "phone": "+331"]))
                #expect(try await found(by: statement, fixture) == 0)
                let json = String(decoding: try JSONEncoding.encode([name: value] as Attributes), as: UTF8.self)
                try await fixture.database.run(
                    "UPDATE registered_user SET attributes = '\(json)' WHERE external_id = 'u-\(number)'")
                #expect(try await found(by: statement, fixture) == 1, "\(json)")
                try await fixture.upsert(entry)
                #expect(try await found(by: statement, fixture) == 0, "\(json)")
            }
        }
    }

    private func found(by statement: Substring, _ fixture: RegistryFixture) async throws -> Int {
        try await fixture.database.run("DROP TABLE IF EXISTS found; CREATE TABLE found AS \(statement)")
        return try await TestDatabase.open(fixture.database.ownerURL, connections: 1) { database in
            try await database.read(deadline: .soon, "SELECT count(*) FROM found") { try $0.value(0) }
        }[0]
    }

    @Test func usersAreFoundByEverySpellingOfTheirContacts() async throws {
        try await withMuster { muster in
            for writer in Writer.allCases {
                _ = try await kept(["email": " Ada@X.eu", "phone": "+331 "], writer, muster)
                for (email, phone) in [
                    ("ada@x.eu", "+331"), ("\tADA@x.EU ", " +331\n"), ("\u{A0}ada@x.eu\u{A0}", "\u{A0}+331\u{A0}"),
                ] {
                    let found = [UserReference.email(Contact(Identifier(email))), .phone(Contact(Identifier(phone)))]
                    for user in found {
                        #expect(try await muster.send(GetUser(user: user)).externalID == "u-1")
                    }
                    let exported = try await muster.send(ExportUsers(users: found))
                    #expect(exported.users.map { $0.fields["external_id"] } == ["u-1"] && exported.unknown == [])
                    for (name, value) in [("email", email), ("phone", phone)] {
                        let filter = Filter.attribute(Identifier(name), .equals, .string(Identifier(value)))
                        #expect(try await muster.send(SizeSegment(filter: filter)).size == 1)
                        #expect(try await muster.send(SizeSegment(filter: .not(filter))).size == 1)
                    }
                }
                let again = try await muster.send(
                    TrackUsers(attributes: [["email": " ADA@x.eu ", "n": 1], ["phone": " +331", "n": 2]]))
                #expect(again.attributesProcessed == 2)
                #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes["n"] == 2)
                let erased = try await muster.send(DeleteUsers(users: [.email(Contact("ADA@X.EU\n"))]))
                #expect(erased.deleted == 1)
            }
        }
    }
}

import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// By what imports and reads find users, beside their own external ids.
@Suite struct FoundUserTests {
    @Test func importsAndReadsFindFormerIDs() async throws {
        try await withMuster(users: ["a", "b"]) { muster in
            let segment = Filter.cohort("tinyclues", "c")
            _ = try await muster.send(RenameExternalIDs(renames: [.init(current: "a", new: "new")]))
            let reply = try await muster.importCohort("c", adding: ["a", "nobody", "b"])
            #expect((reply.receipt.added, reply.receipt.unknown) == (2, 1))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: segment))
            for id: Identifier in ["a", "new"] {
                let checked = try await muster.send(
                    CheckSegments(users: [.externalID(id), .externalID("x")], segments: ["s"]))
                #expect(checked.results.map(\.in) == [[true], [false]])
                #expect(checked.results.map(\.user) == [.known, .unknown])
            }
            #expect(try await muster.members(of: segment) == ["new", "b"])
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let client = other.client()
            let there = try await client.send(CheckSegments(users: [.externalID("a")], segments: ["s"]))
            #expect(there.results.map(\.in) == [[true]])
            await client.close()
            await other.stop()
            _ = try await muster.send(RemoveExternalIDs(externalIDs: ["a"]))
            let gone = try await muster.send(CheckSegments(users: [.externalID("a")], segments: ["s"]))
            #expect(gone.results.map(\.user) == [.unknown])
            #expect(try await muster.importCohort("c", adding: ["a"]).receipt.unknown == 1)
        }
    }

    @Test func usersAreCheckedByAnyIdentifier() async throws {
        try await withMuster { muster in
            _ = try await muster.send(
                UpsertUsers(users: [.init(externalID: "u", attributes: ["email": "A@x.eu", "phone": "+1", "n": 1])]))
            _ = try await muster.send(
                CreateSegment(
                    segmentID: "s", name: "s",
                    filter: .attribute(AttributeFilter(name: "n", comparison: .equals, value: .number(1)))))
            let id = try await muster.send(GetUser(user: .externalID("u"))).brazeID
            let users: [UserReference] = [
                .brazeID(id), .email(Contact("a@X.eu")), .phone(Contact("+1", [.identified])),
                .email(Contact("b@x.eu")),
            ]
            let checked = try await muster.send(CheckSegments(users: users, segments: ["s"]))
            #expect(checked.results.map(\.in) == [[true], [true], [true], [false]])
        }
    }

    @Test func aUserWithoutIdentifiersIsShownByTheBrazeID() async throws {
        try await withMuster(users: ["u"]) { muster in
            _ = try await muster.send(TrackUsers(attributes: [["email": "a@x.eu"]]))
            let id = try await muster.send(GetUser(user: .email(Contact("a@x.eu")))).brazeID
            let members = try await muster.send(ListSegmentMembers(filter: .everyone)).members
            #expect(members == [Member(externalID: "u"), Member(brazeID: id)])
        }
    }
}

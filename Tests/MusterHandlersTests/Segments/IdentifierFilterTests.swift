import MusterProtocol
import MusterTestSupport
import Testing

/// Who has an identifier of a kind: size, members and check agree, before and after each change.
@Suite struct IdentifierFilterTests {
    private static let users: [Identifier] = ["ada", "ben", "cleo"]

    private static func identifier(_ kind: IdentifierFilter.Kind, _ label: Identifier? = nil) -> Filter {
        .identifier(IdentifierFilter(kind: kind, aliasLabel: label))
    }

    @Test func everyKindIsFoundAndFollowsEachChange() async throws {
        try await withMuster(users: Self.users) { muster in
            let (crm, web) = (Alias(label: "crm", name: "1"), Alias(label: "web", name: "1"))
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "ada", aliases: [crm]), UserEntry(externalID: "ben", aliases: [web]),
                    UserEntry(externalID: "cleo", deviceIDs: ["phone"]),
                ]))
            func agreed(_ filter: Filter) async throws -> [Identifier] {
                try await muster.agreedMembers(of: filter, among: Self.users)
            }
            #expect(try await agreed(Self.identifier(.externalID)) == Self.users)
            #expect(try await agreed(Self.identifier(.alias)) == ["ada", "ben"])
            #expect(try await agreed(Self.identifier(.alias, "crm")) == ["ada"])
            #expect(try await agreed(.not(Self.identifier(.alias, "crm"))) == ["ben", "cleo"])
            #expect(try await agreed(Self.identifier(.deviceID)) == ["cleo"])
            #expect(try await agreed(Self.identifier(.alias, "none")) == [])
            // What was read is in memory now, and must not be answered after a change.
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "cleo", aliases: [Alias(label: "crm", name: "2")])]))
            #expect(try await agreed(Self.identifier(.alias, "crm")) == ["ada", "cleo"])
            _ = try await muster.send(DeleteUsers(users: [.externalID("ada")]))
            #expect(try await agreed(Self.identifier(.alias)) == ["ben", "cleo"])
            _ = try await muster.send(MergeUsers(merge: .externalID("cleo"), keep: .externalID("ben")))
            #expect(try await agreed(Self.identifier(.deviceID)) == ["ben"])
        }
    }

    @Test func anonymousUsersHaveNoExternalID() async throws {
        try await withMuster(users: Self.users) { muster in
            let alias = Alias(label: "crm", name: "1")
            _ = try await muster.send(UpsertUsers(users: [UserEntry(aliases: [alias])]))
            let anonymous = Filter.not(Self.identifier(.externalID))
            #expect(try await muster.send(SizeSegment(filter: anonymous)).size == 1)
            _ = try await muster.send(IdentifyUser(user: .alias(alias), externalID: "dan"))
            #expect(try await muster.send(SizeSegment(filter: anonymous)).size == 0)
        }
    }

    @Test func aLabelBelongsToAnAliasAndHasABound() async throws {
        try await withMuster { muster in
            for (filter, message) in [
                (
                    Self.identifier(.deviceID, "crm"),
                    "filter.identifier.alias_label must be left out unless kind is alias"
                ),
                (Self.identifier(.alias, ""), "filter.identifier.alias_label is empty"),
            ] {
                let error = await #expect(throws: RPCError.self) {
                    _ = try await muster.send(SizeSegment(filter: filter))
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message == message)
            }
            let long = Identifier(String(repeating: "l", count: Limits.labelBytes.value + 1))
            let error = await #expect(throws: RPCError.self) {
                _ = try await muster.send(SizeSegment(filter: Self.identifier(.alias, long)))
            }
            #expect(error?.code == .invalidArgument)
            _ = try await muster.send(
                SizeSegment(filter: Self.identifier(.alias, Identifier(String(repeating: "l", count: 256)))))
        }
    }
}

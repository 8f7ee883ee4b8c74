import MusterProtocol
import MusterUsers
import Testing

@testable import MusterHandlers
@testable import MusterStore

@Suite struct UserHandlerTests {
    private func failure(_ body: () async throws -> some Sendable) async throws -> RPCError {
        do { _ = try await body() } catch { return RPCError(handling: error) }
        Issue.record("nothing was thrown")
        throw CancellationError()
    }

    private func handlers(_ fixture: RegistryFixture) -> (UserHandlers, CallContext) {
        let session = Session(
            workspaceID: fixture.workspace, workspace: "acme", keyID: "k", kind: .service, partner: nil, scopes: ["*"],
            expiresAt: nil)
        return (UserHandlers(store: fixture.store), CallContext(session: session, deadline: .now + .seconds(30)))
    }

    @Test func aUserGoesThroughAllFiveCalls() async throws {
        try await RegistryFixture.with { fixture in
            let (users, context) = handlers(fixture)
            let made = try await users.upsert(
                .init(users: [UserEntry(deviceIDs: ["d"], attributes: ["a": 1]), .external("u-2")], requestID: "r"),
                context)
            #expect(made.created == 2)
            #expect(
                try await users.identify(.init(user: .deviceID("d"), externalID: "u-1"), context).outcome == .identified
            )
            #expect(
                try await users.merge(.init(merge: .externalID("u-1"), keep: .externalID("u-2")), context).changedSets
                    == 0)
            #expect(try await users.get(.init(user: .deviceID("d")), context).externalID == "u-2")
            #expect(try await users.delete(.init(users: [.deviceID("d")]), context) == .init(deleted: 1, unknown: 0))
            let gone = try await failure { try await users.get(.init(user: .deviceID("d")), context) }
            #expect(gone == RPCError(.notFound, .unknownUser, field: "user", "there is no user as user names one"))
        }
    }

    @Test func limitsPlusOneAreRefused() async throws {
        try await RegistryFixture.with { fixture in
            let (users, context) = handlers(fixture)
            let five = try await failure {
                try await users.upsert(.init(users: Array(repeating: UserEntry(), count: 5_001)), context)
            }
            #expect(five.message == "users has 5001 entries; send at most 5000 in one call (upsert_users)")
            #expect(five.code == .invalidArgument && five.details.string("limit") == "upsert_users")
            let one = try await failure {
                try await users.delete(.init(users: Array(repeating: .externalID("u"), count: 1_001)), context)
            }
            #expect(one.message == "users has 1001 entries; send at most 1000 in one call (delete_users)")
            for id in ["", String(repeating: "x", count: 256), "a\u{1}"] {
                let error = try await failure {
                    try await users.upsert(.init(users: [], requestID: Identifier(id)), context)
                }
                #expect(error.code == .invalidArgument)
            }
            #expect(try await users.upsert(.init(users: []), context).results.isEmpty)
            let longest = Identifier(String(repeating: "x", count: 255))
            #expect(try await users.upsert(.init(users: [], requestID: longest), context).results.isEmpty)
        }
    }

    @Test func errorsSayWhatToChange() async throws {
        try await RegistryFixture.with { fixture in
            let (users, context) = handlers(fixture)
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d"]))
            let other = try await failure {
                try await users.identify(.init(user: .deviceID("d"), externalID: "u-2"), context)
            }
            #expect(
                other
                    == RPCError(
                        .failedPrecondition, .hasExternalID, field: "user", "the user has another external_id already"))
            let same = try await failure {
                try await users.merge(.init(merge: .deviceID("d"), keep: .externalID("u-1")), context)
            }
            #expect(same == RPCError(.invalidArgument, .sameUser, field: "keep", "merge and keep are the same user"))
            let unknown = try await failure {
                try await users.merge(.init(merge: .deviceID("d"), keep: .externalID("u-9")), context)
            }
            #expect(unknown == RPCError(.notFound, .unknownUser, field: "keep", "there is no user as keep names one"))
            let empty = try await failure {
                try await users.get(.init(user: .alias(Alias(label: "crm", name: ""))), context)
            }
            #expect(empty == RPCError.invalid("user.alias.alias_name", .empty, "is empty"))
        }
    }

    @Test func aRequestIDStandsForThePayloadAndNotForItsSpelling() async throws {
        try await RegistryFixture.with { fixture in
            let (users, context) = handlers(fixture)
            func send(_ json: String) async throws -> UpsertUsers.Reply {
                try await users.upsert(try JSONDecoding.decode(from: Array(json.utf8)), context)
            }
            let first = try await send(
                #"{"request_id": "r", "users": [{"external_id": "\u0061", "attributes": {"n": 1.0}}]}"#)
            #expect(first.created == 1)
            let again = try await send(#"{"users":[{"external_id":"a","attributes":{"n":1}}],"request_id":"r"}"#)
            #expect(again == first)
            let other = try await failure {
                try await send(#"{"users":[{"external_id":"a","attributes":{"n":2}}],"request_id":"r"}"#)
            }
            #expect(other.code == .failedPrecondition)
            #expect(try await fixture.attributes(of: .externalID("a")) == (["n": 1] as Attributes).byName)
        }
    }
}

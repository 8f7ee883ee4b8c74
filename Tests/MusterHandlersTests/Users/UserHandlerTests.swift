import MusterClient
import MusterProtocol
import MusterTestSupport
import MusterUsers
import Testing

/// The calls that write and read users: their order, their bounds, and what their errors say.
@Suite struct UserHandlerTests {
    @Test func aUserGoesThroughAllFiveCalls() async throws {
        try await withMuster { muster in
            let made = try await muster.send(
                UpsertUsers(
                    users: [UserEntry(deviceIDs: ["d"], attributes: ["a": 1]), UserEntry(externalID: "u-2")],
                    requestID: "r"))
            #expect(made.created == 2)
            #expect(
                try await muster.send(IdentifyUser(user: .deviceID("d"), externalID: "u-1")).outcome == .identified
            )
            #expect(
                try await muster.send(MergeUsers(merge: .externalID("u-1"), keep: .externalID("u-2"))).changedSets
                    == 0)
            #expect(try await muster.send(GetUser(user: .deviceID("d"))).externalID == "u-2")
            #expect(try await muster.send(DeleteUsers(users: [.deviceID("d")])) == .init(deleted: 1, unknown: 0))
            let gone = await rpcError { try await muster.send(GetUser(user: .deviceID("d"))) }
            #expect(gone == RPCError(.notFound, .unknownUser, field: "user", "there is no user as user names one"))
        }
    }

    @Test func limitsPlusOneAreRefused() async throws {
        try await withMuster { muster in
            let five = await rpcError {
                try await muster.send(UpsertUsers(users: Array(repeating: UserEntry(), count: 5_001)))
            }
            #expect(five?.message == "users has 5001 entries; send at most 5000 in one call (upsert_users)")
            #expect(five?.code == .invalidArgument && five?.details.string("limit") == "upsert_users")
            let one = await rpcError {
                try await muster.send(DeleteUsers(users: Array(repeating: .externalID("u"), count: 1_001)))
            }
            #expect(one?.message == "users has 1001 entries; send at most 1000 in one call (delete_users)")
            for id in ["", String(repeating: "x", count: 256), "a\u{1}"] {
                let error = await rpcError {
                    try await muster.send(UpsertUsers(users: [], requestID: Identifier(id)))
                }
                #expect(error?.code == .invalidArgument)
            }
            let longest = Identifier(String(repeating: "x", count: 255))
            for id in [nil, longest] {
                let reply = try await muster.send(UpsertUsers(users: [], requestID: id))
                #expect(reply.results.isEmpty)
            }
        }
    }

    @Test func errorsSayWhatToChange() async throws {
        try await withMuster { muster in
            _ = try await muster.send(UpsertUsers(users: [UserEntry(externalID: "u-1", deviceIDs: ["d"])]))
            let other = await rpcError {
                try await muster.send(IdentifyUser(user: .deviceID("d"), externalID: "u-2"))
            }
            #expect(
                other
                    == RPCError(
                        .failedPrecondition, .hasExternalID, field: "user", "the user has another external_id already"))
            let same = await rpcError {
                try await muster.send(MergeUsers(merge: .deviceID("d"), keep: .externalID("u-1")))
            }
            #expect(same == RPCError(.invalidArgument, .sameUser, field: "keep", "merge and keep are the same user"))
            let unknown = await rpcError {
                try await muster.send(MergeUsers(merge: .deviceID("d"), keep: .externalID("u-9")))
            }
            #expect(unknown == RPCError(.notFound, .unknownUser, field: "keep", "there is no user as keep names one"))
            let empty = await rpcError {
                try await muster.send(GetUser(user: .alias(Alias(label: "crm", name: ""))))
            }
            #expect(empty == RPCError.invalid("user.alias.alias_name", .empty, "is empty"))
        }
    }

    @Test func aRequestIDStandsForThePayloadAndNotForItsSpelling() async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            func send(_ json: String) async throws -> Answer { try await session.answer(UpsertUsers.method, json) }
            let first = try await send(
                #"{"request_id": "r", "users": [{"external_id": "\u0061", "attributes": {"n": 1.0}}]}"#)
            #expect(first.text.contains(#""created":1"#), "\(first.text)")
            let again = try await send(#"{"users":[{"external_id":"a","attributes":{"n":1}}],"request_id":"r"}"#)
            #expect(again == first)
            let other = try await send(#"{"users":[{"external_id":"a","attributes":{"n":2}}],"request_id":"r"}"#)
            #expect(other.code == .failedPrecondition)
            #expect(
                try await muster.send(GetUser(user: .externalID("a"))).attributes.byName
                    == (["n": 1] as Attributes).byName)
        }
    }
}

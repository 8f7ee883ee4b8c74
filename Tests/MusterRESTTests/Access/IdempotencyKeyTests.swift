import MusterHandlers
import MusterMetrics
import MusterProtocol
import MusterStore
import MusterTestSupport
import Testing

/// `Idempotency-Key` on the routes of services: a request that comes again under its name has no second effect.
@Suite struct IdempotencyKeyTests {
    /// Each route that writes, with two different bodies. In this order all of them can be done.
    private static let writes: [(path: String, body: String, other: String)] = [
        (
            "/users/track", #"{"purchases":[\#(purchase("p"))]}"#, #"{"purchases":[\#(purchase("q"))]}"#
        ),
        ("/users/track/bulk", #"{"purchases":[\#(purchase("r"))]}"#, #"{"purchases":[\#(purchase("s"))]}"#),
        (
            "/users/alias/new", #"{"user_aliases":[{"external_id":"u-1","alias_label":"l","alias_name":"n"}]}"#,
            #"{"user_aliases":[{"external_id":"u-1","alias_label":"k","alias_name":"n"}]}"#
        ),
        (
            "/users/alias/update",
            #"{"alias_updates":[{"alias_label":"l","old_alias_name":"n","new_alias_name":"m"}]}"#,
            #"{"alias_updates":[{"alias_label":"l","old_alias_name":"m","new_alias_name":"o"}]}"#
        ),
        (
            "/users/identify",
            #"{"aliases_to_identify":[{"external_id":"i-1","user_alias":{"alias_label":"x","alias_name":"1"}}]}"#,
            #"{"aliases_to_identify":[{"external_id":"i-1","user_alias":{"alias_label":"x","alias_name":"1"}},{"external_id":"i-2","user_alias":{"alias_label":"x","alias_name":"2"}}]}"#
        ),
        (
            "/users/merge", #"{"merge_updates":[\#(merge("m-1"))]}"#,
            #"{"merge_updates":[\#(merge("m-1")),\#(merge("m-2"))]}"#
        ),
        ("/users/delete", #"{"external_ids":["d-1"]}"#, #"{"external_ids":["d-2"]}"#),
        (
            "/users/external_ids/rename",
            #"{"external_id_renames":[{"current_external_id":"r-1","new_external_id":"r-2"}]}"#,
            #"{"external_id_renames":[{"current_external_id":"r-3","new_external_id":"r-4"}]}"#
        ),
        ("/users/external_ids/remove", #"{"external_ids":["r-1"]}"#, #"{"external_ids":["r-3"]}"#),
        ("/users/export/segment", #"{"segment_id":"s"}"#, #"{"segment_id":"t"}"#),
        ("/export/segment/cancel", #"{"segment_id":"s"}"#, #"{"segment_id":"t"}"#),
    ]

    private static func purchase(_ product: String) -> String {
        #"{"external_id":"u-1","product_id":"\#(product)","currency":"EUR","price":1,"time":"2026-01-01"}"#
    }

    private static func merge(_ user: String) -> String {
        #"{"identifier_to_merge":{"external_id":"\#(user)"},"identifier_to_keep":{"external_id":"u-1"}}"#
    }

    /// The permission check before a call is not counted as a call.
    @Test func requestsThatReachNoCallAreNotCountedAsCalls() async throws {
        let router = StubREST().router
        func context(_ scopes: [String]) -> CallContext {
            let session = Session(
                workspaceID: .init(rawValue: 1), workspace: "w", keyID: "k", kind: .service, partner: nil,
                scopes: scopes,
                expiresAt: nil)
            return CallContext(session: session, deadline: .now + .seconds(60))
        }
        func counted() -> Bool {
            var page = Exposition()
            router.metrics.write(to: &page)
            return page.text.contains(MergeUsers.method)
        }
        try await router.authorize(MergeUsers.method, in: context(["*"]))
        #expect(!counted())
        await #expect(throws: RPCError.self) {
            try await router.authorize(MergeUsers.method, in: context(["x"]))
        }
        #expect(counted())
    }

    private func withUsers(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: ["u-1", "m-1", "m-2", "d-1", "d-2", "r-1", "r-3"]) { muster in
            for (id, name) in [("s", "S"), ("t", "T")] {
                _ = try await muster.send(CreateSegment(segmentID: Identifier(id), name: name, filter: .everyone))
            }
            _ = try await muster.send(
                UpsertUsers(users: ["1", "2"].map { UserEntry(aliases: [Alias(label: "x", name: Identifier($0))]) }))
            try await body(muster)
        }
    }

    private func post(
        _ muster: MusterUnderTest, _ path: String, _ body: String, key: String, bearer: String? = nil
    ) async throws -> RESTReply {
        try await muster.server.rest(
            "POST", path, body, bearer: bearer ?? muster.server.workspace.adminKey.text,
            headers: ["Idempotency-Key": key])
    }

    /// How many users bought a product so often.
    private func buyers(_ muster: MusterUnderTest, _ product: Identifier, atLeast times: Int = 1) async throws -> Int {
        let filter = Filter.purchase(PurchaseFilter(productID: product, count: .init(.greaterThanOrEqualTo, times)))
        return try await muster.send(SizeSegment(filter: filter)).size
    }

    @Test func aRepeatGetsTheRecordedResponseAndOtherContentIsRefused() async throws {
        try await withUsers { muster in
            for write in Self.writes {
                let key = "k of \(write.path)"
                let first = try await post(muster, write.path, write.body, key: key)
                #expect([201, 202].contains(first.status), "\(write.path): \(first.text)")
                let again = try await post(muster, write.path, " " + write.body, key: key)
                #expect(again.status == first.status && again.text == first.text, "\(write.path): \(again.text)")
                let other = try await post(muster, write.path, write.other, key: key)
                #expect(other.status == 422, "\(write.path): \(other.text)")
                #expect(other.text.contains("nothing was changed"))
            }
            // What was refused was not done.
            #expect(try await muster.send(GetUser(user: .externalID("d-2"))).externalID == "d-2")
            #expect(try await muster.send(GetUser(user: .externalID("m-2"))).externalID == "m-2")
            #expect(try await muster.send(GetUser(user: .externalID("r-3"))).externalID == "r-3")
            let alias = UserReference.alias(Alias(label: "x", name: "2"))
            #expect(try await muster.send(GetUser(user: alias)).externalID == nil)
            let labels = try await muster.send(GetUser(user: .externalID("u-1"))).aliases.map(\.label)
            #expect(labels == ["l"])
            try await muster.database.run(
                "DO $$ BEGIN ASSERT (SELECT array_agg(segment_id) = '{s}' FROM segment_export); END $$")
            for (product, users): (Identifier, Int) in [("p", 1), ("q", 0), ("r", 1), ("s", 0)] {
                #expect(try await buyers(muster, product) == users)
                #expect(try await buyers(muster, product, atLeast: 2) == 0)
            }
        }
    }

    @Test func aRepeatThatComesLateChangesNothing() async throws {
        try await withUsers { muster in
            let identify = Self.writes[4]
            // No user has the second alias, so that the entry is dropped.
            let body = identify.other.replacing(#""alias_name":"2""#, with: #""alias_name":"late""#)
            let first = try await post(muster, identify.path, body, key: "k")
            _ = try await muster.send(UpsertUsers(users: [UserEntry(aliases: [Alias(label: "x", name: "late")])]))
            let again = try await post(muster, identify.path, body, key: "k")
            #expect(first.status == 201 && again.text == first.text)
            let alias = UserReference.alias(Alias(label: "x", name: "late"))
            #expect(try await muster.send(GetUser(user: alias)).externalID == nil)
            // Under a new name it is a request of its own.
            _ = try await post(muster, identify.path, body, key: "l")
            #expect(try await muster.send(GetUser(user: alias)).externalID == "i-2")
        }
    }

    @Test func repeatsAtTheSameTimeAreOne() async throws {
        try await withUsers { muster in
            for write in [Self.writes[0], Self.writes[5], Self.writes[6]] {
                let replies = try await withThrowingTaskGroup(of: RESTReply.self) { group in
                    for _ in 0..<8 { group.addTask { try await post(muster, write.path, write.body, key: "k") } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(Set(replies.map(\.text)).count == 1, "\(replies.map(\.text))")
                #expect(replies.allSatisfy { [201, 202].contains($0.status) })
            }
            #expect(try await buyers(muster, "p") == 1)
            #expect(try await buyers(muster, "p", atLeast: 2) == 0)
        }
    }

    @Test func anInvalidIdempotencyKeyIsRefusedBeforeAnyWork() async throws {
        try await withUsers { muster in
            for write in Self.writes {
                for key in ["", String(repeating: "k", count: 256)] {
                    let reply = try await post(muster, write.path, write.body, key: key)
                    #expect(reply.status == 400, "\(write.path): \(reply.text)")
                    #expect(reply.text.contains("`Idempotency-Key` must be one header of 1 to 255 ASCII characters"))
                }
            }
            #expect(try await muster.send(GetUser(user: .externalID("d-1"))).externalID == "d-1")
            let long = try await post(
                muster, "/users/delete", #"{"external_ids":["d-1"]}"#, key: String(repeating: "k", count: 255))
            #expect(long.status == 201)
        }
    }

    /// One namespace for both wires, as imports have: what a service repeats over the other one is a repeat.
    @Test func theIdempotencyKeyIsTheRequestIDOfTheCall() async throws {
        try await withUsers { muster in
            _ = try await post(muster, "/users/delete", #"{"external_ids":["d-1"]}"#, key: "k")
            let reply = try await muster.send(DeleteUsers(users: [.externalID("d-1")], requestID: "k"))
            #expect(reply.deleted == 1)
            let error = await #expect(throws: RPCError.self) {
                _ = try await muster.send(DeleteUsers(users: [.externalID("d-2")], requestID: "k"))
            }
            #expect(error?.code == .failedPrecondition && error?.details.reason == .requestIDReused)
        }
    }

    /// Its words are about the objects, and belong to the name as any answer does: mended objects are other content.
    @Test func aResponseWithoutAValidObjectIsRecorded() async throws {
        try await withUsers { muster in
            let bad = #"{"events":[{"external_id":"u-1","name":"e","time":"never"}]}"#
            let good = #"{"events":[{"external_id":"u-1","name":"e","time":"2026-01-01"}]}"#
            let first = try await post(muster, "/users/track", bad, key: "k")
            #expect(first.status == 400 && first.text.contains("'time' is not valid"), "\(first.text)")
            #expect(try await post(muster, "/users/track", bad, key: "k").text == first.text)
            #expect(try await post(muster, "/users/track", good, key: "k").status == 422)
            #expect(try await post(muster, "/users/track", good, key: "l").status == 201)
        }
    }

    @Test func aKeyWithoutTheScopeRecordsNoIdempotencyKey() async throws {
        try await withUsers { muster in
            let weak = try await muster.send(CreateKey(kind: .service, name: "w", scopes: ["users.get"])).secret
            for write in Self.writes {
                let refused = try await post(muster, write.path, write.other, key: write.path, bearer: weak)
                #expect(refused.status == 403)
                let strong = try await post(muster, write.path, write.body, key: write.path)
                #expect([201, 202].contains(strong.status), "\(write.path): \(strong.text)")
            }
        }
    }
}

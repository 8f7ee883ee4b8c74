import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// How many entries the routes of the registry take: none, all that are allowed, and one more.
@Suite struct RegistryBoundsTests {
    private struct Bound: Sendable {
        let path: String
        let field: String
        /// What an empty list is answered with.
        let empty: Int
        let max: Int
        /// What a full one is answered with.
        let success: Int
        /// What the refusal of one more says.
        let refusal: String
        var writes = true
        /// What the answer to a full one counts.
        var says: [String] = []
        /// The entry of a place, as JSON.
        let entry: @Sendable (Int) -> String
    }

    /// In this order: external ids are removed that were renamed.
    private static let bounds: [Bound] = [
        Bound(
            path: "/users/track", field: "attributes", empty: 400, max: 75, success: 201,
            refusal: "Max Input Length Exceeded", says: [#""attributes_processed":75"#]
        ) {
            #"{"external_id":"u-\#($0)","n":1}"#
        },
        Bound(
            path: "/users/track", field: "events", empty: 400, max: 75, success: 201,
            refusal: "Max Input Length Exceeded", says: [#""events_processed":75"#]
        ) {
            #"{"external_id":"u-\#($0)","name":"n","time":"2026-11-01"}"#
        },
        Bound(
            path: "/users/track", field: "purchases", empty: 400, max: 75, success: 201,
            refusal: "Max Input Length Exceeded", says: [#""purchases_processed":75"#]
        ) {
            #"{"external_id":"u-\#($0)","product_id":"n","currency":"EUR","price":1,"time":"2026-11-01"}"#
        },
        Bound(
            path: "/users/alias/new", field: "user_aliases", empty: 201, max: 50, success: 201,
            refusal: "user_aliases has 51 entries", says: [#""aliases_processed":50"#]
        ) {
            #"{"external_id":"u-\#($0)","alias_label":"new","alias_name":"n-\#($0)"}"#
        },
        Bound(
            path: "/users/alias/update", field: "alias_updates", empty: 201, max: 50, success: 201,
            refusal: "alias_updates has 51 entries"
        ) {
            #"{"alias_label":"old","old_alias_name":"o-\#($0)","new_alias_name":"p-\#($0)"}"#
        },
        Bound(
            path: "/users/identify", field: "aliases_to_identify", empty: 400, max: 50, success: 201,
            refusal: "more than 50 entries"
        ) {
            #"{"external_id":"i-\#($0)","user_alias":{"alias_label":"anon","alias_name":"a-\#($0)"}}"#
        },
        Bound(
            path: "/users/merge", field: "merge_updates", empty: 400, max: 50, success: 202,
            refusal: "50 merge updates"
        ) {
            #"{"identifier_to_merge":{"external_id":"m-\#($0)"},"identifier_to_keep":{"external_id":"u-0"}}"#
        },
        Bound(
            path: "/users/external_ids/rename", field: "external_id_renames", empty: 400, max: 50, success: 201,
            refusal: "external_id_renames has 51 entries"
        ) {
            #"{"current_external_id":"u-\#($0)","new_external_id":"v-\#($0)"}"#
        },
        Bound(
            path: "/users/external_ids/remove", field: "external_ids", empty: 400, max: 50, success: 201,
            refusal: "external_ids has 51 entries"
        ) {
            #""u-\#($0)""#
        },
        Bound(
            path: "/users/export/ids", field: "external_ids", empty: 201, max: 50, success: 201,
            refusal: "The max number of external_ids and aliases per request was exceeded", writes: false
        ) { #""v-\#($0)""# },
        Bound(
            path: "/users/delete", field: "external_ids", empty: 400, max: 50, success: 201,
            refusal: "more than 50 entries"
        ) {
            #""v-\#($0)""#
        },
    ]

    @Test func everyRouteAcceptsItsLimitAndAppliesNothingBeyondIt() async throws {
        try await withMuster { muster in
            try await register(muster)
            for bound in Self.bounds {
                let what = "\(bound.path) \(bound.field)"
                func post(_ count: Int) async throws -> RESTReply {
                    let list = (0..<count).map(bound.entry).joined(separator: ",")
                    return try await muster.server.rest(
                        "POST", bound.path, #"{"\#(bound.field)":[\#(list)]}"#,
                        bearer: muster.server.workspace.adminKey.text)
                }
                let before = try await users(muster)
                let none = try await post(0)
                #expect(none.status == bound.empty && none.message != nil, "\(what), none: \(none.text)")
                let surplus = try await post(bound.max + 1)
                #expect(surplus.status == 400 && surplus.text.contains(bound.refusal), "\(what): \(surplus.text)")
                let problem = try surplus.problem
                let limit = try #require(Limits.all.first { $0.name == problem.details?.limit }, "\(surplus.text)")
                #expect(limit.value == bound.max && problem.names(limit, as: bound.max), "\(surplus.text)")
                #expect(problem.details?.reason == "too_many", "\(surplus.text)")
                #expect(try await users(muster) == before, "\(what): refused, and applied")
                let full = try await post(bound.max)
                #expect(full.status == bound.success && full.message == "success", "\(what): \(full.text)")
                #expect(try await (users(muster) != before) == bound.writes, "\(what)")
                for word in bound.says { #expect(full.text.contains(word), "\(what): \(full.text)") }
                #expect(!full.text.contains("_errors\":[["), "\(what): \(full.text)")
            }
        }
    }

    /// Lists of several kinds count together.
    @Test(arguments: [
        ("/users/identify", "aliases_to_identify", "emails_to_identify"),
        ("/users/delete", "external_ids", "user_aliases"),
        ("/users/export/ids", "external_ids", "user_aliases"),
    ])
    func severalListsAreCountedTogether(path: String, first: String, second: String) async throws {
        let entries: [String: (Int) -> String] = [
            "aliases_to_identify": { #"{"external_id":"i","user_alias":{"alias_label":"l","alias_name":"n-\#($0)"}}"# },
            "emails_to_identify": { #"{"external_id":"i","email":"\#($0)@x.eu"}"# }, "external_ids": { #""u-\#($0)""# },
            "user_aliases": { #"{"alias_label":"l","alias_name":"n-\#($0)"}"# },
        ]
        try await withMuster(users: ["u-1"]) { muster in
            func post(_ counts: (Int, Int)) async throws -> RESTReply {
                let lists = [(first, counts.0), (second, counts.1)].map { field, count in
                    #""\#(field)":[\#((0..<count).compactMap { entries[field]?($0) }.joined(separator: ","))]"#
                }
                return try await muster.server.rest(
                    "POST", path, "{\(lists.joined(separator: ","))}", bearer: muster.server.workspace.adminKey.text)
            }
            let before = try await users(muster)
            let refused = try await post((25, 26))
            #expect(refused.status == 400, "\(refused.text)")
            #expect(refused.text.contains("more than 50 entries") || refused.text.contains("was exceeded"))
            #expect(try await users(muster) == before)
            let taken = try await post((25, 25))
            #expect(taken.status == 201, "\(taken.text)")
        }
    }

    private func register(_ muster: MusterUnderTest) async throws {
        let known = (0..<76).map { index in
            UserEntry(
                externalID: Identifier("u-\(index)"), aliases: [Alias(label: "old", name: Identifier("o-\(index)"))])
        }
        let anonymous = (0..<51).map { UserEntry(aliases: [Alias(label: "anon", name: Identifier("a-\($0)"))]) }
        try await muster.register((0..<51).map { Identifier("m-\($0)") })
        _ = try await muster.send(UpsertUsers(users: known + anonymous))
    }

    /// A digest of all that the routes could change.
    private func users(_ muster: MusterUnderTest) async throws -> String {
        let rows = try await TestDatabase.open(muster.database.ownerURL, connections: 1) { database in
            try await database.read(
                deadline: .soon,
                """
                SELECT md5(string_agg(x.row, ',' ORDER BY x.row)) FROM (
                    SELECT t::text AS row FROM registered_user t UNION ALL SELECT t::text FROM user_alias t
                    UNION ALL SELECT t::text FROM deprecated_external_id t UNION ALL SELECT t::text FROM user_event t
                    UNION ALL SELECT t::text FROM user_purchase t) x
                """
            ) { row in try row.value(0, as: String.self) }
        }
        return try #require(rows.first)
    }
}

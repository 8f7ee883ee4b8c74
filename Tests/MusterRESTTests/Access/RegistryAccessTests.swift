import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// The permissions of the registry's routes.
@Suite struct RegistryAccessTests {
    private static let routes: [(path: String, body: String, scope: String, status: Int)] = [
        ("/users/track", #"{"attributes":[{"external_id":"u"}]}"#, "users.track", 201),
        ("/users/track/bulk", #"{"attributes":[{"external_id":"u"}]}"#, "users.track.bulk", 201),
        ("/users/alias/new", #"{"user_aliases":[]}"#, "users.alias.new", 201),
        ("/users/alias/update", #"{"alias_updates":[]}"#, "users.alias.update", 201),
        (
            "/users/identify",
            #"{"aliases_to_identify":[{"external_id":"x","user_alias":{"alias_name":"a","alias_label":"b"}}]}"#,
            "users.identify", 201
        ),
        (
            "/users/merge",
            #"{"merge_updates":[{"identifier_to_merge":{"external_id":"x"},"identifier_to_keep":{"external_id":"y"}}]}"#,
            "users.merge", 202
        ),
        ("/users/delete", #"{"external_ids":["x"]}"#, "users.delete", 201),
        (
            "/users/external_ids/rename",
            #"{"external_id_renames":[{"current_external_id":"x","new_external_id":"y"}]}"#,
            "users.external_ids.rename", 201
        ),
        ("/users/external_ids/remove", #"{"external_ids":["x"]}"#, "users.external_ids.remove", 201),
    ]

    /// The call has no list of aliases: what is wrong is said by the fields that it has.
    @Test func aWrongAliasIsNamedByTheFieldsOfItsEntry() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let long = Identifier(String(repeating: "x", count: 300))
            let reply = try await muster.send(
                AddAliases(userAliases: [
                    NewAlias(externalID: "u-1", label: long, name: "n"),
                    NewAlias(externalID: "u-1", label: "l", name: ""),
                    NewAlias(externalID: "", label: "l", name: "n"), NewAlias(externalID: "u-1", label: "l", name: "n"),
                    NewAlias(externalID: "u-2", label: "l", name: "n"),
                ]))
            #expect(
                reply.results.map(\.message) == [
                    "alias_label is over 256 bytes (alias_label_bytes)", "alias_name is empty", "external_id is empty",
                    nil, "the alias belongs to another user",
                ])
        }
    }

    @Test func aKeyNeedsThePermissionOfTheRoute() async throws {
        try await withMuster { muster in
            func key(_ scopes: [String]) async throws -> String {
                try await muster.send(CreateKey(kind: .service, name: "k", scopes: scopes)).secret
            }
            let other = try await key(["segments.list"])
            for (path, body, scope, status) in Self.routes {
                let fitting = try await muster.server.rest("POST", path, body, bearer: try await key([scope]))
                #expect(fitting.status == status, "\(path): \(fitting.text)")
                let denied = try await muster.server.rest("POST", path, body, bearer: other)
                #expect(denied.status == 403, "\(path)")
                // Of the call, which is one for /users/track and /users/track/bulk.
                let lacks = denied.message?.hasPrefix("Access Denied: this key lacks the scope users.")
                #expect(lacks == true, "\(path): \(denied.text)")
                #expect(try denied.problem.details?.reason == "missing_scope", "\(path)")
            }
        }
    }

    @Test func anInvalidServiceKeyIs401AndIsNotEchoed() async throws {
        try await withMuster { muster in
            let importing = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "i")).secret
            for (path, body, _, _) in Self.routes {
                for bearer in [nil, "non-existent", importing] {
                    let answer = try await muster.server.rest("POST", path, body, bearer: bearer)
                    #expect(answer.status == 401 && answer.text == #"{"message":"Invalid API key"}"#, "\(path)")
                }
            }
        }
    }
}

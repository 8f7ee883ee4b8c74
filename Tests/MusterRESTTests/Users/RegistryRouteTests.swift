import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// The routes that name, join and erase users.
@Suite struct RegistryRouteTests {
    private func externalID(_ muster: MusterUnderTest, _ user: UserReference) async throws -> Identifier? {
        try await muster.send(GetUser(user: user)).externalID
    }

    private func isUnknown(_ muster: MusterUnderTest, _ user: UserReference) async throws -> Bool {
        do { _ = try await muster.send(GetUser(user: user)) } catch let error as RPCError {
            return error.code == .notFound
        }
        return false
    }

    private static func alias(_ name: Identifier) -> UserReference { .alias(Alias(label: "crm", name: name)) }

    @Test func newAliasesAreAddedAndCreateUsers() async throws {
        try await withMuster(users: ["7"]) { muster in
            let answer = try await muster.post(
                "/users/alias/new",
                """
                {"user_aliases":[{"external_id":7,"alias_name":"a","alias_label":"crm"},{"alias_name":"b","alias_label":"crm"},
                {"external_id":"nobody","alias_name":"c","alias_label":"crm"},{"user_alias":{"alias_name":"d","alias_label":"crm"}},
                {"external_id":"7","alias_name":"b","alias_label":"crm"}]}
                """)
            #expect(answer.status == 201)
            #expect(answer.text == #"{"message":"success","aliases_processed":5}"#)
            #expect(try await externalID(muster, Self.alias("a")) == "7")
            #expect(try await externalID(muster, Self.alias("b")) == nil)
            #expect(try await isUnknown(muster, Self.alias("c")))
            #expect(try await externalID(muster, Self.alias("d")) == nil)
            let more =
                "[" + Array(repeating: #"{"alias_name":"x","alias_label":"y"}"#, count: 51).joined(separator: ",")
            #expect(try await muster.post("/users/alias/new", #"{"user_aliases":\#(more)]}"#).status == 400)
            #expect(try await muster.post("/users/alias/new", #"{"user_aliases":[{}]}"#).status == 400)
            #expect(try await muster.post("/users/alias/new", "{}").status == 400)
        }
    }

    @Test func anInvalidAliasIsReported() async throws {
        try await withMuster(users: ["u"]) { muster in
            let (label, name) = (String(repeating: "l", count: 257), String(repeating: "n", count: 1_025))
            let added = try await muster.post(
                "/users/alias/new",
                """
                {"user_aliases":[{"external_id":"u","alias_label":"crm","alias_name":"a"},
                {"external_id":"u","alias_label":"\(label)","alias_name":"a"},{"alias_label":"crm","alias_name":""},
                {"external_id":"nobody","alias_label":"crm","alias_name":"b"}]}
                """)
            #expect(added.status == 201 && added.text.contains(#""aliases_processed":4"#), "\(added.text)")
            #expect(added.text.contains("alias_label is over 256 bytes (alias_label_bytes)"), "\(added.text)")
            #expect(added.text.contains(#""alias_name is empty""#), "\(added.text)")
            #expect(added.text.contains(#""index":1"#) && added.text.contains(#""index":2"#), "\(added.text)")
            #expect(added.text.ranges(of: #""input_array":"user_aliases""#).count == 2, "\(added.text)")
            let renamed = try await muster.post(
                "/users/alias/update",
                #"{"alias_updates":[{"alias_label":"crm","old_alias_name":"a","new_alias_name":"\#(name)"},{"alias_label":"crm","old_alias_name":"a","new_alias_name":"b"}]}"#
            )
            #expect(renamed.status == 201 && renamed.text.contains(#""index":0"#), "\(renamed.text)")
            #expect(renamed.text.contains("new_alias_name is over 1024 bytes (identifier_bytes)"), "\(renamed.text)")
            #expect(renamed.text.ranges(of: #""input_array":"alias_updates""#).count == 1, "\(renamed.text)")
            #expect(try await externalID(muster, Self.alias("b")) == "u")
        }
    }

    @Test func anAliasGetsAnotherName() async throws {
        try await withMuster { muster in
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "u", aliases: [.init(label: "crm", name: "a")])]))
            let answer = try await muster.post(
                "/users/alias/update",
                #"{"alias_updates":[{"alias_label":"crm","old_alias_name":"a","new_alias_name":"b"},{"alias_label":"crm","old_alias_name":"x","new_alias_name":"y"}]}"#
            )
            #expect(answer.status == 201 && answer.text == #"{"message":"success"}"#)
            #expect(try await externalID(muster, Self.alias("b")) == "u")
            #expect(try await isUnknown(muster, Self.alias("a")))
        }
    }

    @Test func anonymousUsersAreIdentifiedByAnyIdentifier() async throws {
        try await withMuster(users: ["known"]) { muster in
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(aliases: [Alias(label: "crm", name: "a")], attributes: ["n": 1]),
                    UserEntry(deviceIDs: ["d-1"], attributes: ["email": "a@x.eu"]),
                    UserEntry(deviceIDs: ["d-2"], attributes: ["phone": "+331"]),
                ]))
            let answer = try await muster.post(
                "/users/identify",
                """
                {"aliases_to_identify":[{"external_id":"known","user_alias":{"alias_name":"a","alias_label":"crm"}},
                  {"external_id":"gone","user_alias":{"alias_name":"nobody","alias_label":"crm"}}],
                 "emails_to_identify":[{"external_id":5,"email":"A@x.eu","prioritization":["unidentified"]}],
                 "phone_numbers_to_identify":[{"external_id":"p","phone":"+331","prioritization":["unidentified","most_recently_updated"]}],
                 "merge_behavior":"merge"}
                """)
            #expect(answer.status == 201 && answer.text == #"{"message":"success","aliases_processed":4}"#)
            #expect(try await muster.send(GetUser(user: Self.alias("a"))).attributes["n"] == 1)
            #expect(try await externalID(muster, Self.alias("a")) == "known")
            #expect(try await externalID(muster, .deviceID("d-1")) == "5")
            #expect(try await externalID(muster, .deviceID("d-2")) == "p")
            #expect(try await isUnknown(muster, .externalID("gone")))
            #expect(try await muster.post("/users/identify", "{}").status == 400)
        }
    }

    @Test(arguments: [("merge", true), ("none", false)])
    func mergeBehaviorDecidesWhetherUsersAreMerged(behavior: String, merges: Bool) async throws {
        try await withMuster(users: ["known"]) { muster in
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(aliases: [Alias(label: "crm", name: "a")], attributes: ["n": 1])]))
            let answer = try await identify(muster, "known", #""merge_behavior":"\#(behavior)""#)
            #expect(answer.status == 201)
            #expect(try await externalID(muster, Self.alias("a")) == (merges ? "known" : nil))
            #expect(try await muster.send(GetUser(user: Self.alias("a"))).attributes["n"] == 1)
            let known = try await muster.send(GetUser(user: .externalID("known")))
            #expect(known.attributes["n"] == (merges ? 1 : nil))
            // An unused id is given either way.
            if !merges {
                #expect(try await identify(muster, "new", #""merge_behavior":"none""#).status == 201)
                #expect(try await externalID(muster, Self.alias("a")) == "new")
            }
        }
    }

    @Test func usersWithAliasesUnderTheSameLabelAreNotMerged() async throws {
        try await withMuster { muster in
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "known", aliases: [Alias(label: "crm", name: "k")]),
                    UserEntry(aliases: [Alias(label: "crm", name: "a"), Alias(label: "web", name: "a")]),
                ]))
            #expect(try await identify(muster, "known").status == 201)
            #expect(try await externalID(muster, Self.alias("a")) == nil)
            #expect(try await externalID(muster, Self.alias("k")) == "known")
            let call = IdentifyUser(user: Self.alias("a"), externalID: "known", mergeWhen: .labelsDiffer)
            #expect(try await muster.send(call).outcome == .keptApart)
            #expect(
                try await muster.send(IdentifyUser(user: Self.alias("a"), externalID: "known")).outcome == .merged)
        }
    }

    private func identify(_ muster: MusterUnderTest, _ id: String, _ more: String = #""x":1"#) async throws -> RESTReply
    {
        let user = #"{"external_id":"\#(id)","user_alias":{"alias_name":"a","alias_label":"crm"}}"#
        return try await muster.post("/users/identify", #"{"aliases_to_identify":[\#(user)],\#(more)}"#)
    }

    @Test func entriesWithoutIdentifierAndEmptyListsAreRefused() async throws {
        try await withMuster { muster in
            let long = String(repeating: "x", count: 1_025)
            for (body, message) in [
                (#"{"emails_to_identify":[{"external_id":"a"}]}"#, "emails_to_identify[0].email is missing"),
                (
                    #"{"phone_numbers_to_identify":[{"external_id":"a"}]}"#,
                    "phone_numbers_to_identify[0].phone is missing"
                ),
                (#"{"aliases_to_identify":[]}"#, "and one user in them"),
                (#"{"aliases_to_identify":[],"emails_to_identify":[],"phone_numbers_to_identify":[]}"#, "and one user"),
                (#"{"emails_to_identify":[{"external_id":"","email":"a@x.eu"}]}"#, "emails_to_identify[0].external_id"),
                (
                    #"{"phone_numbers_to_identify":[{"external_id":"\#(long)","phone":"+1"}]}"#,
                    "phone_numbers_to_identify[0].external_id is over 1024 bytes"
                ),
                (#"{"emails_to_identify":[{"external_id":"a","email":"b"}],"merge_behavior":"x"}"#, "merge_behavior"),
            ] {
                let refused = try await muster.post("/users/identify", body)
                #expect(refused.status == 400 && refused.text.contains(message), "\(refused.text)")
            }
            #expect(try await muster.post("/users/merge", #"{"merge_updates":[]}"#).status == 400)
        }
    }

    @Test func usersAreMergedAndRefusalsHaveBrazesWords() async throws {
        try await withMuster(users: ["a", "b"]) { muster in
            let answer = try await muster.post(
                "/users/merge",
                #"{"merge_updates":[{"identifier_to_merge":{"external_id":"a"},"identifier_to_keep":{"external_id":"b"}},{"identifier_to_merge":{"external_id":"nobody"},"identifier_to_keep":{"external_id":"b"}}]}"#
            )
            #expect(answer.status == 202 && answer.text == #"{"message":"success"}"#)
            #expect(try await isUnknown(muster, .externalID("a")))
            let update = #"{"identifier_to_merge":{"external_id":"x"},"identifier_to_keep":{"email":"y@z"}}"#
            let identifiers =
                "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an object, 'email' property that is a string, or 'phone' property that is a string"
            for (body, message) in [
                ("{}", "'merge_updates' must be an array of objects"),
                (#"{"merge_updates":[1]}"#, "'merge_updates' must be an array of objects"),
                (
                    #"{"merge_updates":[\#(Array(repeating: update, count: 51).joined(separator: ","))]}"#,
                    "a single request may not contain more than 50 merge updates (registry_entries)"
                ),
                (#"{"merge_updates":[{"identifier_to_merge":{"id":1},"identifier_to_keep":{}}]}"#, identifiers),
                (#"{"merge_updates":[{"identifier_to_merge":"a","identifier_to_keep":"b"}]}"#, identifiers),
                (
                    #"{"merge_updates":[{"identifier_to_merge":{"external_id":"x"},"more":1}]}"#,
                    "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"
                ),
            ] {
                let refused = try await muster.post("/users/merge", body)
                #expect(refused.status == 400 && refused.message == message, "\(refused.text)")
            }
        }
    }

    @Test func usersAreErasedByAnyIdentifier() async throws {
        try await withMuster(users: ["a", "7", "b"]) { muster in
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(aliases: [Alias(label: "crm", name: "x")]),
                    UserEntry(externalID: "b", attributes: ["email": "b@x.eu", "phone": "+33"]),
                    UserEntry(externalID: "c", attributes: ["phone": "+44"]),
                ]))
            let id = try await muster.send(GetUser(user: .externalID("a"))).brazeID.text
            let answer = try await muster.post(
                "/users/delete",
                """
                {"external_ids":[7,"nobody"],"user_aliases":[{"alias_name":"x","alias_label":"crm"}],"braze_ids":["\(id)"],
                 "email_addresses":[{"email":"B@x.eu","prioritization":["identified"]}],
                 "phone_numbers":[{"phone":"+44","prioritization":["most_recently_updated"]}]}
                """)
            #expect(answer.status == 201 && answer.text == #"{"message":"success","deleted":5}"#)
            for id: Identifier in ["a", "7", "b", "c"] { #expect(try await isUnknown(muster, .externalID(id))) }
            #expect(try await muster.post("/users/delete", "{}").status == 400)
            let many = "[" + Array(repeating: #""x""#, count: 51).joined(separator: ",") + "]"
            #expect(try await muster.post("/users/delete", #"{"external_ids":\#(many)}"#).status == 400)
        }
    }

    @Test func anInvalidExternalIDIsRefusedWithItsLimit() async throws {
        try await withMuster(users: ["abc"]) { muster in
            for (id, problem) in [
                (String(repeating: "x", count: 2_000), "is over 1024 bytes (identifier_bytes)"), ("", "is empty"),
                (#"\t"#, "has a control character"),
            ] {
                let answer = try await muster.post(
                    "/users/external_ids/rename",
                    #"{"external_id_renames":[{"current_external_id":"abc","new_external_id":"\#(id)"}]}"#)
                #expect(answer.status == 201)
                let errors = #""external_ids":[],"rename_errors":[[0,"'new_external_id' \#(problem)"]]"#
                #expect(answer.text.contains(errors), "\(answer.text)")
            }
        }
    }

    /// An invalid identifier finds no user, like an unknown one.
    @Test func anIdentifierOverTheLimitFindsNoUser() async throws {
        let long = String(repeating: "x", count: 1_025)
        let label = String(repeating: "x", count: 257)
        try await withMuster(users: ["abc"]) { muster in
            for (path, body, status) in [
                (
                    "/users/merge",
                    #"{"merge_updates":[{"identifier_to_merge":{"external_id":"\#(long)"},"identifier_to_keep":{"external_id":"abc"}}]}"#,
                    202
                ),
                ("/users/delete", #"{"external_ids":["\#(long)"]}"#, 201),
                (
                    "/users/identify",
                    #"{"aliases_to_identify":[{"external_id":"d","user_alias":{"alias_label":"\#(label)","alias_name":"n"}}]}"#,
                    201
                ),
            ] {
                let answer = try await muster.post(path, body)
                #expect(answer.status == status && answer.message == "success", "\(path): \(answer.text)")
                if path == "/users/delete" { #expect(answer.text.contains(#""deleted":0"#), "\(answer.text)") }
            }
        }
    }

    @Test func externalIDsAreRenamedAndRemoved() async throws {
        try await withMuster(users: ["abc", "d"]) { muster in
            let renamed = try await muster.post(
                "/users/external_ids/rename",
                #"{"external_id_renames":[{"current_external_id":"abc","new_external_id":"foo"},{"current_external_id":"abc","new_external_id":"bar"},{"current_external_id":"d","new_external_id":"abc"}]}"#
            )
            #expect(renamed.status == 201)
            #expect(
                renamed.text
                    == #"{"message":"success","external_ids":[{"current_external_id":"abc","new_external_id":"foo"}],"rename_errors":[[1,"'current_external_id' is deprecated"],[2,"'new_external_id' is in use"]]}"#
            )
            #expect(try await externalID(muster, .externalID("abc")) == "foo")
            let removed = try await muster.post(
                "/users/external_ids/remove", #"{"external_ids":["abc","foo","nobody"]}"#)
            #expect(removed.status == 201)
            #expect(
                removed.text
                    == #"{"message":"success","removed_ids":["abc"],"removal_errors":[[1,"the external id is not deprecated"],[2,"the external id is no user's"]]}"#
            )
            #expect(try await isUnknown(muster, .externalID("abc")))
            for path in ["rename", "remove"] {
                let field = path == "rename" ? "external_id_renames" : "external_ids"
                #expect(try await muster.post("/users/external_ids/\(path)", #"{"\#(field)":[]}"#).status == 400)
                #expect(try await muster.post("/users/external_ids/\(path)", "{}").status == 400)
            }
        }
    }
}

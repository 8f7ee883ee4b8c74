import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterHandlers

/// The status of every route for server errors and for missing credentials.
@Suite struct StatusTableTests {
    private struct Route: Sendable {
        let method: String
        let path: String
        /// For partners, without what proves them.
        var body: String?
        var headers: [String: String] = [:]
        var isPartners = false
        /// Whether the URL itself is the key; here no export has it.
        var isOpen = false
        /// Whether it reads or writes anything but the key.
        var needsTables = true
    }

    private static let routes: [Route] = [
        Route(
            method: "POST", path: "/partners/tinyclues/cohorts",
            body: #""name":"C","created_at":"2026-11-24T00:00:00Z""#, isPartners: true),
        Route(
            method: "POST", path: "/partners/tinyclues/cohorts/users",
            body: #""cohort_changes":[{"user_ids":["u-1"]}]"#, isPartners: true),
        // The import that `withSegment` makes.
        Route(method: "GET", path: "/partners/tinyclues/cohorts/imports/MS5l", isPartners: true),
        Route(
            method: "GET", path: "/partners/tinyclues/cohorts/imports", headers: ["Idempotency-Key": "r-e"],
            isPartners: true),
        // An address that is well-formed and leads nowhere.
        Route(
            method: "GET", path: "/exports/1-vefNSnQovENbh7dX8jVherExtjwdaz3tYvRF7x08S1x2sImHx.zip",
            isOpen: true),
        Route(method: "POST", path: "/users/track", body: #"{"attributes":[{"external_id":"u-1","n":1}]}"#),
        Route(method: "POST", path: "/users/track/bulk", body: #"{"attributes":[{"external_id":"u-1","n":1}]}"#),
        Route(
            method: "POST", path: "/users/alias/new",
            body: #"{"user_aliases":[{"external_id":"u-1","alias_label":"l","alias_name":"n"}]}"#),
        Route(
            method: "POST", path: "/users/alias/update",
            body: #"{"alias_updates":[{"alias_label":"l","old_alias_name":"n","new_alias_name":"m"}]}"#),
        Route(
            method: "POST", path: "/users/identify",
            body: #"{"emails_to_identify":[{"external_id":"i","email":"a@x.eu"}]}"#),
        Route(
            method: "POST", path: "/users/merge",
            body:
                #"{"merge_updates":[{"identifier_to_merge":{"external_id":"x"},"identifier_to_keep":{"external_id":"u-1"}}]}"#
        ),
        Route(method: "POST", path: "/users/delete", body: #"{"external_ids":["x"]}"#),
        Route(
            method: "POST", path: "/users/external_ids/rename",
            body: #"{"external_id_renames":[{"current_external_id":"x","new_external_id":"y"}]}"#),
        Route(method: "POST", path: "/users/external_ids/remove", body: #"{"external_ids":["x"]}"#),
        Route(method: "POST", path: "/users/export/ids", body: #"{"external_ids":["u-1"]}"#),
        Route(method: "POST", path: "/users/export/segment", body: #"{"segment_id":"s"}"#),
        Route(method: "POST", path: "/export/segment/cancel", body: #"{"segment_id":"s"}"#),
        Route(method: "GET", path: "/segments/list"), Route(method: "GET", path: "/segments/details?segment_id=s"),
        Route(method: "GET", path: "/segments/data_series?segment_id=s&length=7"),
        Route(method: "GET", path: "/campaigns/list", needsTables: false),
        Route(method: "GET", path: "/canvas/list", needsTables: false),
    ]

    /// Sends a request of each route; `expect` is told what came.
    private func sendAll(
        _ muster: MusterUnderTest, to server: TestServer? = nil, method: String? = nil, isKnown: Bool = true,
        _ expect: (Route, RESTReply) -> Void
    ) async throws {
        let secret = try await importKey.get(muster)
        for route in Self.routes {
            var body = route.body
            if route.isPartners, let fields = body {
                let key = isKnown ? secret : "nobody"
                body = #"{"client_secret":"\#(key)","cohort_id":"c",\#(fields)}"#
            }
            let known = route.isPartners ? secret : muster.server.workspace.adminKey.text
            let reply = try await (server ?? muster.server).rest(
                method ?? route.method, route.path, body,
                bearer: route.isPartners && route.body != nil ? nil : isKnown ? known : "nobody",
                headers: route.headers)
            #expect(reply.message != nil, "\(route.path): \(reply.text)")
            expect(route, reply)
        }
    }

    /// The key of the partner, made while PostgreSQL answers.
    private let importKey = ImportKey()

    private actor ImportKey {
        private var secret: String?

        func get(_ muster: MusterUnderTest) async throws -> String {
            if let secret { return secret }
            let made = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "push")).secret
            secret = made
            return made
        }
    }

    private func withSegment(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "S", filter: .everyone))
            _ = try await muster.importCohort("e", adding: ["u-1"], requestID: "r-e")
            try await body(muster)
        }
    }

    @Test func everyRouteSucceedsWithoutFaults() async throws {
        try await withSegment { muster in
            try await sendAll(muster) { route, reply in
                let isWell = route.isOpen ? reply.status == 404 : [200, 201, 202].contains(reply.status)
                #expect(isWell, "\(route.path): \(reply.status) \(reply.text)")
            }
        }
    }

    @Test func aDatabaseErrorIs500AndShowsNoCause() async throws {
        try await withSegment { muster in
            _ = try await importKey.get(muster)
            try await muster.database.run(
                """
                REVOKE ALL ON ALL TABLES IN SCHEMA public FROM muster_server;
                GRANT SELECT, UPDATE ON api_key TO muster_server;
                GRANT SELECT ON workspace TO muster_server;
                """)
            try await sendAll(muster) { route, reply in
                #expect(reply.status == (route.needsTables ? 500 : 200), "\(route.path): \(reply.status) \(reply.text)")
                #expect(!reply.text.contains("permission") && !reply.text.contains("denied"), "\(route.path)")
            }
        }
    }

    @Test func anUnreachableDatabaseIs503OnEveryRoute() async throws {
        try await withSegment { muster in
            _ = try await importKey.get(muster)
            try await muster.database.setReachable(false)
            try await sendAll(muster) { route, reply in
                #expect(reply.status == 503, "\(route.path): \(reply.status) \(reply.text)")
                #expect(reply.headers["retry-after"] != nil, "\(route.path)")
            }
            try await muster.database.setReachable(true)
        }
    }

    /// Every read of what a route needs, and of what it writes the first statement, lasts longer than clients wait.
    @Test func aSlowRequestIs504OnEveryRouteAndAppliesNothing() async throws {
        try await withSegment { muster in
            _ = try await importKey.get(muster)
            try await muster.database.run(
                """
                CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN PERFORM pg_sleep(2.5); RETURN NEW; END $$;
                CREATE TRIGGER in_the_way BEFORE INSERT ON request_record FOR EACH ROW EXECUTE FUNCTION in_the_way();
                CREATE TRIGGER in_the_way BEFORE INSERT ON cohort FOR EACH ROW EXECUTE FUNCTION in_the_way();
                CREATE TRIGGER in_the_way BEFORE UPDATE ON set_head FOR EACH ROW WHEN (OLD.kind = 'identity')
                    EXECUTE FUNCTION in_the_way();
                CREATE TRIGGER in_the_way BEFORE UPDATE ON segment_export FOR EACH STATEMENT EXECUTE FUNCTION in_the_way();
                CREATE POLICY in_the_way ON cohort_import AS RESTRICTIVE FOR SELECT TO muster_server
                    USING (pg_sleep(2.5) IS NOT NULL);
                CREATE POLICY in_the_way ON segment AS RESTRICTIVE FOR SELECT TO muster_server
                    USING (pg_sleep(2.5) IS NOT NULL);
                CREATE POLICY in_the_way ON registered_user AS RESTRICTIVE FOR SELECT TO muster_server
                    USING (pg_sleep(2.5) IS NOT NULL);
                """)
            try await sendAll(muster) { route, reply in
                if route.isOpen { return }  // there is no row that it would have to wait for
                #expect(reply.status == (route.needsTables ? 504 : 200), "\(route.path): \(reply.status) \(reply.text)")
                #expect(!route.needsTables || reply.headers["retry-after"] != nil, "\(route.path)")
            }
            try await muster.database.run(
                """
                DROP POLICY in_the_way ON segment;
                DROP POLICY in_the_way ON cohort_import;
                DROP POLICY in_the_way ON registered_user;
                """)
            let user = try await muster.send(GetUser(user: .externalID("u-1")))
            #expect(user.attributes["n"] == nil && user.aliases.isEmpty)
            #expect(try await muster.send(ListCohorts()).cohorts.map(\.cohortID) == ["e"])
        }
    }

    @Test func aKeyOverItsHourlyLimitIs429OnEveryRoute() async throws {
        try await withSegment { muster in
            let server = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace, restRequestsPerHour: 1,
                restServiceRequestsPerHour: 1)
            try await sendAll(muster, to: server) { _, _ in }
            try await sendAll(muster, to: server) { route, reply in
                let isTurnedAway = reply.status == 429 && reply.headers["retry-after"] != nil
                #expect(isTurnedAway != route.isOpen, "\(route.path): \(reply.status)")
            }
            await server.stop()
        }
    }

    @Test func aMissingKeyIs401AndAnotherMethodIs405OnEveryRoute() async throws {
        try await withSegment { muster in
            try await sendAll(muster, isKnown: false) { route, reply in
                let status = route.isOpen ? 404 : 401
                #expect(reply.status == status && !reply.text.contains("nobody"), "\(route.path): \(reply.status)")
            }
            try await sendAll(muster, method: "PUT") { route, reply in
                #expect(reply.status == 405, "\(route.path): \(reply.status)")
            }
        }
    }

    /// By what the header says of the body, of which nothing is sent.
    @Test func aBodyOverFourMegabytesIs413OnEveryRoute() async throws {
        try await expectAll(413, headers: ["Content-Length: \((4 << 20) + 1)"], where: { $0.method == "POST" })
    }

    @Test func anUnsupportedCodingIs415OnEveryRoute() async throws {
        try await expectAll(
            415, headers: ["Content-Encoding: br", "Content-Length: 2"], body: "{}", where: { $0.method == "POST" })
    }

    @Test func aTooLongHeaderIs431OnEveryRoute() async throws {
        try await expectAll(431, headers: ["X-Long: \(String(repeating: "x", count: 9_000))"])
    }

    /// Sends a request of each route with these headers, and a good key.
    private func expectAll(
        _ status: Int, headers: [String], body: String = "", where isMeant: (Route) -> Bool = { _ in true }
    ) async throws {
        try await withMuster { muster in
            let key = "Authorization: Bearer \(muster.server.workspace.adminKey.text)"
            for route in Self.routes where isMeant(route) {
                let connection = try await RawHTTP(port: try await muster.server.restPort())
                try await connection.send(route.method, route.path, headers: headers + [key])
                try await connection.send(body)
                let answer = try await connection.answer()
                #expect(answer?.status == status && answer?.message != nil, "\(route.path): \(answer?.status ?? 0)")
                for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
                    #expect(answer?.headers[name] != nil, "\(route.path): \(name)")
                }
                await connection.close()
            }
        }
    }
}

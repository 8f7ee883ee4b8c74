import MusterClient
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// `segments.explain`: why a user is in a segment, or not.
@Suite struct ExplainTests {
    private static let (a, b) = (Filter.cohort("tinyclues", "a"), Filter.cohort("tinyclues", "b"))
    private static let users: [Identifier] = ["ada", "ben", "cleo"]

    private func explain(
        _ filter: Filter, _ user: Identifier, _ muster: MusterUnderTest
    ) async throws -> ExplainSegment.Reply {
        try await muster.send(ExplainSegment(filter: filter, user: .externalID(user)))
    }

    private func change(of user: Identifier, _ muster: MusterUnderTest) async throws -> MembershipChange? {
        try await explain(Self.a, user, muster).nodes.first?.cohort
    }

    @Test func everyNodeSaysWhetherTheUserIsInItAndWhy() async throws {
        try await withMuster(users: Self.users) { muster in
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "ada", attributes: ["country": "FR", "age": 41])]))
            let first = try await muster.importCohort("a", adding: ["ada", "ben"], requestID: "r-1")
            _ = try await muster.importCohort("b", adding: ["ben"])
            try await muster.server.append([
                .event("ada", "login", "2026-03-01"), .event("ada", "login", "2026-03-02"),
                .event("ben", "login", "2026-03-03"), .purchase("ada", "cd", 12.5, "2026-02-01"),
                .purchase("ada", "cd", 7.25, "2026-02-03"), .purchase("ada", "book", 100, "2026-02-04"),
            ])
            _ = try await muster.send(
                CreateSegment(segmentID: "inner", name: "x", filter: .all([Self.a, .not(Self.b)])))
            let filter = Filter.all([
                .segment("inner"), .attribute("country", .equals, .string("FR")),
                .attribute("country", .notEqual, .string("FR")), .attribute("city", .doesNotExist),
                .event(.init(name: "login", after: .at("2026-03-01T12:00:00Z"))),
                .event(.init(name: "logout", count: .init(.equals, 0))),
                .any([.purchase(.init(productID: "cd")), .purchase(.init(productID: "dvd"))]),
                .everyone,
            ])
            let reply = try await explain(filter, "ada", muster)
            #expect(!reply.in && reply.valuesShown && reply.versions == nil)
            func node(_ path: String) -> ExplainedNode? { reply.nodes.first { $0.path == path } }
            #expect(
                reply.nodes.map(\.path) == [
                    "all", "all[0].segment", "all[0].segment[0].cohort", "all[0].segment[1].not",
                    "all[0].segment[1].not.cohort", "all[1].attribute", "all[2].attribute", "all[3].attribute",
                    "all[4].event", "all[5].event", "all[6].any", "all[6].any[0].purchase", "all[6].any[1].purchase",
                    "all[7].everyone",
                ])
            let outside = ["all", "all[0].segment[1].not.cohort", "all[2].attribute", "all[6].any[1].purchase"]
            #expect(reply.nodes.filter { !$0.in }.map(\.path) == outside)
            #expect(node("all[1].attribute")?.value?.text == "\"FR\"")
            #expect(node("all[2].attribute")?.value?.text == "\"FR\"")
            #expect(node("all[3].attribute") == .init("all[3].attribute", in: true))
            #expect(node("all[4].event")?.activity == .init(count: 1, lastAt: .at("2026-03-02")))
            #expect(node("all[5].event")?.activity == .init(count: 0))
            let cds = CountedActivity(count: 2, totalSpent: 19.75, lastAt: .at("2026-02-03"))
            #expect(node("all[6].any[0].purchase")?.activity == cds)
            #expect(node("all[6].any[1].purchase")?.activity == .init(count: 0, totalSpent: 0))
            #expect(node("all[7].everyone") == .init("all[7].everyone", in: true))
            let added = try #require(node("all[0].segment[0].cohort")?.cohort)
            #expect(added.change == .added && added.version == first.version && added.source == .import)
            #expect(added.requestID == "r-1" && added.changedAt != nil)
            let receipt = try await muster.send(ListImports(partner: "tinyclues", requestID: "r-1")).imports.first
            #expect(added.keyID == receipt?.keyID && added.changedAt == receipt?.importedAt)
            #expect(node("all[0].segment[1].not.cohort")?.cohort == MembershipChange(.none))
            let saved = try await muster.send(
                ExplainSegment(segmentID: "inner", user: .externalID("ada"), withVersions: true))
            #expect(saved.in && saved.nodes.map(\.path) == ["all", "all[0].cohort", "all[1].not", "all[1].not.cohort"])
            #expect(saved.versions?.segments.count == 1 && saved.versions?.cohorts.count == 2)
        }
    }

    @Test(arguments: TestSeed.several(3)) func nodesAgreeWithMembersOfTheirFilters(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let filters = (0..<5).map { _ in random.filter(depth: 3) }
        try await withMuster(users: Self.users) { muster in
            try await muster.importCohort("a", adding: ["ada", "ben"])
            try await muster.importCohort("b", adding: ["ben"])
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "ada", attributes: ["country": "FR"])]))
            for filter in filters {
                for user in Self.users {
                    let reply = try await explain(filter, user, muster)
                    var expected: [String: Bool] = [:]
                    var nodes: [(Filter, String)] = []
                    filter.forEachNode { nodes.append(($0, $1)) }
                    for (node, path) in nodes {
                        expected[path] = try await muster.members(of: node).contains(user)
                    }
                    #expect(reply.nodes.map(\.path) == nodes.map(\.1), "MUSTER_SEED=\(seed)")
                    for node in reply.nodes { #expect(node.in == expected[node.path], "MUSTER_SEED=\(seed)") }
                    #expect(reply.in == expected[filter.name], "MUSTER_SEED=\(seed)")
                }
            }
        }
    }

    @Test func theLastChangeOfAMembershipIsFoundHoweverFarBack() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.importCohort("a", adding: ["ada"], requestID: "first")
            #expect(try await change(of: "ada", muster)?.requestID == "first")
            #expect(try await change(of: "ben", muster) == MembershipChange(.none))
            for _ in 0..<40 {
                try await muster.importCohort("a", adding: ["ben"])
                try await muster.importCohort("a", removing: ["ben"])
            }
            let ada = try await change(of: "ada", muster)
            #expect(ada?.change == .added && ada?.version == 1 && ada?.requestID == "first")
            let ben = try await change(of: "ben", muster)
            #expect(ben?.change == .removed && ben?.version == 81 && ben?.source == .import && ben?.requestID == nil)
            #expect(try await change(of: "cleo", muster) == MembershipChange(.none))
        }
    }

    @Test func aMergeIsNoImport() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.importCohort("a", adding: ["ada"])
            _ = try await muster.send(MergeUsers(merge: .externalID("ada"), keep: .externalID("ben")))
            let merged = try await change(of: "ben", muster)
            #expect(merged?.change == .added && merged?.version == 2 && merged?.source == .merge)
            #expect(merged?.keyID == nil && merged?.requestID == nil)
        }
    }

    @Test func whatIsNoLongerStoredIsUnknown() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.importCohort("a", adding: ["ada"])
            try await muster.importCohort("a", adding: ["ben"])
            try await muster.database.run(
                """
                UPDATE cohort SET forgotten_import_at = i.imported_at FROM cohort_import i
                WHERE i.set_number = cohort.set_number AND i.version = 1;
                DELETE FROM cohort_import WHERE version = 1;
                """)
            let withoutReceipt = try await change(of: "ada", muster)
            #expect(withoutReceipt?.change == .added && withoutReceipt?.source == .unknown)
            #expect(withoutReceipt?.version == 1 && withoutReceipt?.keyID == nil)
            #expect(try await change(of: "ben", muster)?.source == .import)
            try await muster.database.run(
                "DELETE FROM set_change c USING cohort y WHERE c.set_number = y.set_number AND c.version = 1")
            #expect(try await change(of: "ada", muster) == MembershipChange(.unknown))
            #expect(try await change(of: "cleo", muster) == MembershipChange(.unknown))
            #expect(try await change(of: "ben", muster)?.change == .added)
        }
    }

    @Test func valuesAreShownOnlyToKeysThatMayReadUsers() async throws {
        try await withMuster(users: Self.users) { muster in
            _ = try await muster.send(
                UpsertUsers(users: [UserEntry(externalID: "ada", attributes: ["secret": "SECRET"])]))
            try await muster.server.append([.purchase("ada", "cd", 12.5, "2026-02-01")])
            try await muster.importCohort("a", adding: ["ada"])
            let filter = Filter.all([
                .attribute("secret", .exists), .purchase(.init(productID: "cd")), Self.a,
            ])
            let call = ExplainSegment(filter: filter, user: .externalID("ada"))
            for (scopes, isShown) in [
                (["segments.explain"], false), (["segments.*"], false), (["segments.explain", "users.get"], true),
            ] {
                let key = try await muster.send(CreateKey(kind: .service, name: "x", scopes: scopes))
                let client = muster.server.client(key: key.secret)
                let reply = try await client.send(call)
                #expect(reply.in && reply.valuesShown == isShown && reply.nodes.allSatisfy(\.in))
                #expect((reply.nodes[1].value != nil) == isShown && (reply.nodes[2].activity != nil) == isShown)
                #expect(reply.nodes[3].cohort?.change == .added)
                await client.close()
            }
        }
    }

    /// Membership, values and changes are of one state: an import in between would tear them apart.
    @Test func aReplyShowsOneStateWhileACohortChanges() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.importCohort("a", adding: ["ben"])
            let changing = Task {
                for round in 0..<40 {
                    let (adding, removing): (IdentifierList, IdentifierList) =
                        round % 2 == 0 ? (["ada"], []) : ([], ["ada"])
                    try await muster.importCohort("a", adding: adding, removing: removing)
                }
            }
            for _ in 0..<60 {
                let call = ExplainSegment(filter: Self.a, user: .externalID("ada"), withVersions: true)
                let reply = try await muster.send(call)
                let change = reply.nodes.first?.cohort
                #expect(reply.in == (change?.change == .added))
                let version = try #require(reply.versions?.cohorts.first?.version)
                #expect(version == 1 || change?.version == version)
            }
            try await changing.value
        }
    }

    @Test func anUnknownUserOrFilterIsRefused() async throws {
        try await withMuster(users: Self.users) { muster in
            await refused(.notFound, "there is no such user") { _ = try await explain(.everyone, "nobody", muster) }
            await refused(.notFound, "there is no segment \"nope\"") {
                _ = try await muster.send(ExplainSegment(segmentID: "nope", user: .externalID("ada")))
            }
            await refused(.invalidArgument, "filter.not.cohort: there is no cohort \"a\"") {
                _ = try await explain(.not(Self.a), "ada", muster)
            }
            await refused(.invalidArgument, "user.external_id is empty") {
                _ = try await explain(.everyone, "", muster)
            }
        }
    }
}

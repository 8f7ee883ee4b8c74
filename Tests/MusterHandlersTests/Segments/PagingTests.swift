import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// Listings in pages: all pages show one state, on every connection and server.
@Suite struct PagingTests {
    private static let ids = (0..<3_000).map { Identifier("u-\($0)") }
    private static let filter = Filter.not(.cohort("tinyclues", "few"))

    @Test(arguments: [1, 7, 1_000, 10_000])
    func pagesOfEverySizeAddUp(size: Int) async throws {
        let ids = Array(Self.ids.prefix(size < 1_000 ? 60 * size : 3_000))
        try await withMuster(users: ids) { muster in
            try await muster.importCohort("few", adding: IdentifierList(ids.prefix(5)))
            let rest = Array(ids.dropFirst(5))
            #expect(try await muster.members(of: Self.filter, pageSize: size) == rest)
            try await muster.importCohort("many", adding: IdentifierList(rest))
            var members: [Identifier] = []
            for try await page in muster.client.pages(
                ListCohortMembers(partner: "tinyclues", cohortID: "many", pageSize: size))
            {
                #expect(page.members.count <= size && page.version == 1 && page.size == rest.count)
                members += page.members.compactMap(\.externalID)
            }
            #expect(members == rest)
            var entered: [CohortDifference] = []
            let diff = DiffCohort(partner: "tinyclues", cohortID: "many", fromVersion: 0, pageSize: size)
            for try await entry in muster.client.entries(of: diff) { entered.append(entry) }
            #expect(entered == rest.map { .entered(Member(externalID: $0)) })
        }
    }

    /// A listing that stands still while the world moves: what comes in one go comes in pages too.
    @Test(arguments: [false, true])
    func pagesShowOneState(withAttributes: Bool) async throws {
        let ids = Self.ids.prefix(2_000)
        try await withMuster(users: Array(ids)) { muster in
            try await muster.importCohort("few", adding: ["u-3", "u-1999"])
            let filter = withAttributes ? Filter.all([Self.filter, .attribute("x", .doesNotExist)]) : Self.filter
            var call = ListSegmentMembers(filter: filter, withVersions: true, pageSize: 100)
            var members: [Identifier] = []
            var number = 0
            while true {
                let page = try await muster.send(call)
                members += page.members.compactMap(\.externalID)
                guard let token = page.nextPageToken else { break }
                call.pageToken = token
                try await change(muster, afterPage: number)
                number += 1
            }
            // Page n is followed by: an import, u-(1000+n) erased, u-(1200+n) merged into u-(1400+n), and u-(1600+n)
            // into u-(3). A user erased before her page is left out, and so is one merged into a listed user.
            let gone = Set(
                (0..<10).map { "u-\(1_000 + $0)" } + (0..<12).map { "u-\(1_200 + $0)" }
                    + (0..<16).map { "u-\(1_600 + $0)" } + ["u-3", "u-1999"])
            var expected = ids.map(\.text).filter { !gone.contains($0) }
            // An unlisted user into whom several listed ones were merged takes the position of the first.
            expected.insert("u-3", at: expected.firstIndex(of: "u-1616") ?? 0)
            #expect(members.map(\.text) == expected)
            #expect(Set(members).count == members.count)
        }
    }

    private func change(_ muster: MusterUnderTest, afterPage page: Int) async throws {
        func user(_ number: Int) -> UserReference { .externalID(Identifier("u-\(number)")) }
        try await muster.importCohort("few", adding: [Identifier("u-\(page)"), "u-1999"], removing: ["u-3"])
        try await muster.register([Identifier("late-\(page)")])
        if page < 10 { _ = try await muster.send(DeleteUsers(users: [user(1_000 + page)])) }
        if page < 12 { _ = try await muster.send(MergeUsers(merge: user(1_200 + page), keep: user(1_400 + page))) }
        if page < 16 { _ = try await muster.send(MergeUsers(merge: user(1_600 + page), keep: user(3))) }
        _ = try await muster.send(
            UpsertUsers(users: [UserEntry(externalID: Identifier("u-\(1_900 + page)"), attributes: ["x": 1])]))
    }

    @Test(arguments: [false, true])
    func pagesGoOnAfterARestart(withAttributes: Bool) async throws {
        let ids = Array(Self.ids.prefix(30))
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("test")
            let filter = withAttributes ? Filter.attribute("x", .doesNotExist) : Filter.everyone
            var call = ListSegmentMembers(filter: filter, pageSize: 10)
            var members: [Identifier] = []
            for _ in 0..<3 {
                let server = try await TestServer(databaseURL: database.serverURL, workspace: workspace)
                let client = server.client()
                if call.pageToken == nil {
                    _ = try await client.send(UpsertUsers(users: ids.map { UserEntry(externalID: $0) }))
                }
                let page = try await client.send(call)
                call.pageToken = page.nextPageToken
                members += page.members.compactMap(\.externalID)
                _ = try await client.send(
                    UpsertUsers(users: [UserEntry(externalID: Identifier("late-\(members.count)"))]))
                await client.close()
                await server.stop()
            }
            #expect(members == ids)
            #expect(call.pageToken == nil)
        }
    }

    @Test func aStoredListingExpires() async throws {
        try await withMuster(users: Array(Self.ids.prefix(5))) { muster in
            let call = ListSegmentMembers(filter: .attribute("x", .doesNotExist), pageSize: 2)
            let first = try await muster.send(call)
            var second = call
            second.pageToken = first.nextPageToken
            _ = try await muster.send(second)
            try await muster.database.run(
                "UPDATE set_head SET expires_at = now() - interval '1 s' WHERE kind = 'listing'")
            await refused(.outOfRange, "page_token is of a listing older than 3600 seconds (listing_seconds)") {
                _ = try await muster.send(second)
            }
            try await muster.database.run("DELETE FROM set_head WHERE kind = 'listing'")
            await refused(.outOfRange, "page_token is of a listing older than 3600 seconds (listing_seconds)") {
                _ = try await muster.send(second)
            }
        }
    }

    @Test func aListingOfOnePageStoresNothing() async throws {
        try await withMuster(users: Array(Self.ids.prefix(5))) { muster in
            let before = try await muster.database.fingerprint()
            let page = try await muster.send(ListSegmentMembers(filter: .attribute("x", .doesNotExist), pageSize: 5))
            #expect(page.members.count == 5 && page.nextPageToken == nil)
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test(arguments: [Filter.everyone, .attribute("x", .doesNotExist)])
    func aPageOfAFilterThatWasChangedIsRefused(filter: Filter) async throws {
        try await withMuster(users: Array(Self.ids.prefix(5))) { muster in
            _ = try await muster.send(CreateSegment(segmentID: "inner", name: "x", filter: filter))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .segment("inner")))
            var call = ListSegmentMembers(segmentID: "s", pageSize: 2)
            call.pageToken = try await muster.send(call).nextPageToken
            _ = try await muster.send(UpdateSegment(segmentID: "inner", name: "a new name is no change"))
            _ = try await muster.send(call)
            _ = try await muster.send(UpdateSegment(segmentID: "inner", filter: .not(.not(filter))))
            await refused(.failedPrecondition, "segment \"inner\" was changed since; begin again") {
                _ = try await muster.send(call)
            }
        }
    }

    @Test func aCohortThatWasMadeAgainIsNeverMixedIn() async throws {
        try await withMuster(users: Array(Self.ids.prefix(6))) { muster in
            try await muster.importCohort("c", adding: ["u-0", "u-1", "u-2"])
            var segment = ListSegmentMembers(filter: .cohort("tinyclues", "c"), pageSize: 1)
            var members = ListCohortMembers(partner: "tinyclues", cohortID: "c", pageSize: 1)
            var diff = DiffCohort(partner: "tinyclues", cohortID: "c", fromVersion: 0, pageSize: 1)
            segment.pageToken = try await muster.send(segment).nextPageToken
            members.pageToken = try await muster.send(members).nextPageToken
            diff.pageToken = try await muster.send(diff).nextPageToken
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "c"))
            await refused(.notFound, "there is no such cohort") { _ = try await muster.send(members) }
            await refused(.notFound, "there is no such cohort") { _ = try await muster.send(diff) }
            await refused(.invalidArgument, "filter.cohort: there is no cohort \"c\"") {
                _ = try await muster.send(segment)
            }
            try await muster.importCohort("c", adding: ["u-3", "u-4", "u-5"])
            await refused(.outOfRange, "page_token names a version that is not kept") {
                _ = try await muster.send(members)
            }
            await refused(.outOfRange, "page_token names a version that is not kept") {
                _ = try await muster.send(diff)
            }
            await refused(.outOfRange, "page_token names a version that is not kept") {
                _ = try await muster.send(segment)
            }
        }
    }
}

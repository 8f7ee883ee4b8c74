import MusterClient
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterStore

/// Filters over events and purchases: what counts, how it is compared, and that answers are exact at every moment.
@Suite struct EventFilterTests {
    private static let users: [Identifier] = ["ada", "ben", "cleo", "dan"]

    @Test func countsAreComparedForUsersWithoutEventsToo() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.server.append([
                .event("ada", "login", "2026-03-01"), .event("ada", "login", "1997-03-01"),
                .event("ada", "login", "2026-03-01"), .event("ben", "login", "2026-03-02"),
                .event("cleo", "search", "2026-03-02"),
            ])
            let expected: [(NumberComparison, Int, [Identifier])] = [
                (.equals, 0, ["cleo", "dan"]), (.equals, 1, ["ben"]), (.equals, 3, ["ada"]), (.equals, 2, []),
                (.notEqual, 0, ["ada", "ben"]), (.notEqual, 1, ["ada", "cleo", "dan"]),
                (.greaterThan, 0, ["ada", "ben"]), (.greaterThan, 1, ["ada"]),
                (.greaterThanOrEqualTo, 0, Self.users), (.greaterThanOrEqualTo, 1, ["ada", "ben"]),
                (.lessThan, 0, []), (.lessThan, 1, ["cleo", "dan"]), (.lessThan, 3, ["ben", "cleo", "dan"]),
                (.lessThanOrEqualTo, 0, ["cleo", "dan"]), (.lessThanOrEqualTo, 3, Self.users),
            ]
            for (comparison, value, users) in expected {
                let filter = Filter.event(.init(name: "login", count: .init(comparison, value)))
                let found = try await muster.agreedMembers(of: filter, among: Self.users)
                #expect(found == users, "\(comparison) \(value)")
                let opposite = try await muster.agreedMembers(of: .not(filter), among: Self.users)
                #expect(opposite == Self.users.filter { !users.contains($0) }, "not \(comparison) \(value)")
            }
            #expect(
                try await muster.agreedMembers(of: .event(.init(name: "login")), among: Self.users) == ["ada", "ben"])
            #expect(try await muster.agreedMembers(of: .event(.init(name: "nothing")), among: Self.users) == [])
        }
    }

    @Test func onlyEventsInTheWindowCount() async throws {
        try await withMuster(users: Self.users) { muster in
            let now = Instant.now
            try await muster.server.append([
                .event("ada", "login", "2026-03-01T12:00:00Z"), .event("ben", "login", "2026-03-01T12:00:00.000001Z"),
                TrackedEvent(user: "cleo", name: "login", time: now.earlier(seconds: 86_400 * 2.5)),
                TrackedEvent(user: "dan", name: "login", time: now.earlier(seconds: -3_600)),
            ])
            let noon = Instant.at("2026-03-01T12:00:00Z")
            let expected: [(EventFilter, [Identifier])] = [
                (.init(name: "login", after: noon), ["ben", "cleo", "dan"]),
                (.init(name: "login", before: noon), []),
                (.init(name: "login", before: .at("2026-03-01T12:00:00.000001Z")), ["ada"]),
                (.init(name: "login", withinDays: 2), ["dan"]), (.init(name: "login", withinDays: 3), ["cleo", "dan"]),
                (.init(name: "login", count: .init(.equals, 0), withinDays: 3), ["ada", "ben"]),
                (.init(name: "login", withinDays: 3, before: now), ["cleo"]),
                (.init(name: "login", withinDays: 36_500, after: noon, before: .at("2026-03-02")), ["ben"]),
            ]
            for (filter, users) in expected {
                #expect(try await muster.agreedMembers(of: .event(filter), among: Self.users) == users, "\(filter)")
            }
        }
    }

    @Test func purchasesAreComparedByCountSumAndLast() async throws {
        try await withMuster(users: Self.users) { muster in
            try await muster.server.append([
                .purchase("ada", "cd", 0.1, "2026-03-01"), .purchase("ada", "cd", 0.2, "2026-04-01"),
                .purchase("ben", "dvd", 20, "2026-03-15", currency: "EUR", quantity: 5),
                .purchase("cleo", "cd", -3, "1997-03-15"),
            ])
            let april = Instant.at("2026-04-01")
            let expected: [(PurchaseFilter, [Identifier])] = [
                (.init(), ["ada", "ben", "cleo"]), (.init(productID: "cd"), ["ada", "cleo"]),
                (.init(currency: "EUR"), ["ben"]), (.init(productID: "cd", currency: "EUR"), []),
                (.init(count: .init(.equals, 1)), ["ben", "cleo"]), (.init(count: .init(.equals, 0)), ["dan"]),
                (.init(totalSpent: .init(.equals, 0.3)), ["ada"]),
                (.init(totalSpent: .init(.greaterThanOrEqualTo, 100)), ["ben"]),
                (.init(totalSpent: .init(.lessThan, 0)), ["cleo"]), (.init(totalSpent: .init(.equals, 0)), ["dan"]),
                (.init(totalSpent: .init(.lessThan, 0.000_001)), ["cleo", "dan"]),
                (.init(count: .init(.greaterThan, 0), totalSpent: .init(.lessThan, 1)), ["ada", "cleo"]),
                (.init(productID: "cd", totalSpent: .init(.notEqual, 0.3)), ["ben", "cleo", "dan"]),
                (.init(lastPurchase: .init(.before, april)), ["ben", "cleo"]),
                (.init(lastPurchase: .init(.after, .at("2026-03-15"))), ["ada"]),
                (.init(lastPurchase: .init(.before, april), before: april), ["ada", "ben", "cleo"]),
                (.init(count: .init(.equals, 0), lastPurchase: .init(.before, april)), []),
            ]
            for (filter, users) in expected {
                #expect(try await muster.agreedMembers(of: .purchase(filter), among: Self.users) == users, "\(filter)")
            }
        }
    }

    @Test func aWindowOfDaysMovesWithTheClock() async throws {
        try await withMuster(users: Self.users) { muster in
            let filter = Filter.event(.init(name: "login", count: .init(.equals, 0), withinDays: 1))
            try await muster.server.append([
                TrackedEvent(user: "ada", name: "login", time: Instant.now.earlier(seconds: 86_400 - 4)),
                TrackedEvent(user: "ben", name: "login", time: Instant.now.earlier(seconds: 3_600)),
            ])
            #expect(try await muster.agreedMembers(of: filter, among: Self.users) == ["cleo", "dan"])
            try await Task.sleep(for: .seconds(4))
            #expect(try await muster.agreedMembers(of: filter, among: Self.users) == ["ada", "cleo", "dan"])
        }
    }

    @Test func everyServerSeesAnEventAtOnce() async throws {
        try await withMuster(users: Self.users) { muster in
            let other = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace)
            let client = other.client()
            let filter = Filter.all([
                .event(.init(name: "login", count: .init(.greaterThanOrEqualTo, 2))),
                .purchase(.init(totalSpent: .init(.lessThan, 10))),
            ])
            for (round, user) in (Self.users + Self.users).enumerated() {
                try await (round % 2 == 0 ? muster.server : other).append([
                    .event(user, "login", "2026-03-01"), .purchase(user, "cd", 4, "2026-03-01"),
                ])
                let expected = max(0, round - 3)
                #expect(try await muster.send(SizeSegment(filter: filter)).size == expected)
                #expect(try await client.send(SizeSegment(filter: filter)).size == expected)
            }
            await client.close()
            await other.stop()
        }
    }

    @Test func eventsFollowMergesAndErasures() async throws {
        try await withMuster(users: Self.users) { muster in
            let twice = Filter.event(.init(name: "login", count: .init(.equals, 2)))
            try await muster.server.append([.event("ada", "login", "1997-03-01"), .event("ben", "login", "2026-03-01")])
            #expect(try await muster.agreedMembers(of: twice, among: Self.users) == [])
            _ = try await muster.send(MergeUsers(merge: .externalID("ben"), keep: .externalID("ada")))
            #expect(try await muster.agreedMembers(of: twice, among: Self.users) == ["ada"])
            _ = try await muster.send(DeleteUsers(users: [.externalID("ada")]))
            #expect(try await muster.agreedMembers(of: twice, among: Self.users) == [])
            let never = Filter.event(.init(name: "login", count: .init(.equals, 0)))
            #expect(try await muster.agreedMembers(of: never, among: Self.users) == ["cleo", "dan"])
        }
    }

    @Test func anEarlierStateIsRefusedAndAListingIsStored() async throws {
        try await withMuster(users: Self.users) { muster in
            let filter = Filter.any([.everyone, .purchase(.init(productID: "cd"))])
            let reply = try await muster.send(SizeSegment(filter: filter, withVersions: true))
            #expect(reply.versions?.events == 0)
            let error = await #expect(throws: RPCError.self) {
                _ = try await muster.send(SizeSegment(filter: filter, at: reply.versions))
            }
            #expect(
                error?.message
                    == "filter.any[1].purchase: attributes, identifiers and events have no history; leave at out")
            let none = Filter.event(.init(name: "login", count: .init(.equals, 0)))
            let first = try await muster.send(ListSegmentMembers(filter: none, pageSize: 2))
            try await muster.server.append([.event("dan", "login", "2026-03-01")])
            let second = try await muster.send(
                ListSegmentMembers(filter: none, pageSize: 2, pageToken: first.nextPageToken))
            #expect((first.members + second.members).compactMap(\.externalID) == Self.users)
            #expect(try await muster.members(of: none) == ["ada", "ben", "cleo"])
        }
    }

    @Test func aReplyMayBeAsOldAsTheCallerAllows() async throws {
        try await withMuster(users: Self.users) { muster in
            let filter = Filter.event(.init(name: "login"))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: filter))
            let check = CheckSegments(users: [.externalID("ada")], segments: ["s"], maxStalenessMilliseconds: 60_000)
            #expect(try await muster.send(check).results.map(\.in) == [[false]])
            // From then on the leaf's set is in memory, which is made in the background.
            let counts = muster.server.store.counts
            #expect(await eventually { counts.leafScans > 0 })
            #expect(try await muster.send(check).results.map(\.in) == [[false]])
            try await muster.server.append([.event("ada", "login", "2026-03-01")])
            #expect(try await muster.send(check).results.map(\.in) == [[false]])
            let exact = CheckSegments(users: [.externalID("ada")], segments: ["s"])
            #expect(try await muster.send(exact).results.map(\.in) == [[true]])
            #expect(try await muster.send(SegmentsOfUser(user: .externalID("ada"))).segments.map(\.segmentID) == ["s"])
        }
    }
}

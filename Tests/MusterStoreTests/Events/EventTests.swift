import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Events and purchases as they are stored, and what becomes of them with their users.
struct EventTests {
    @Test func appendedEventsAreSummedUpByName() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"), .external("ben"), .external("cleo"))
            try await fixture.append(
                [
                    .of(0, "login", at: "2026-03-01"), .of(0, "login", at: "1997-01-05"),
                    .of(0, "search", at: "2026-03-02"),
                    .of(0, "login", at: "2026-03-01"),
                ],
                [
                    .of(0, "cd", price: 0.1, at: "2026-03-01"), .of(0, "cd", price: 0.2, quantity: 3, at: "2026-03-04"),
                    .of(1, "dvd", price: -5, at: "2026-03-01"),
                ])
            let summaries = try await fixture.users.eventSummaries(of: [0, 1, 2])
            #expect(summaries.keys.sorted() == [0, 1])
            let ada = try #require(summaries[0])
            #expect(
                ada.events == [
                    EventSummary(name: "login", first: .at("1997-01-05"), last: .at("2026-03-01"), count: 3),
                    EventSummary(name: "search", first: .at("2026-03-02"), last: .at("2026-03-02"), count: 1),
                ])
            #expect(
                ada.purchases == [EventSummary(name: "cd", first: .at("2026-03-01"), last: .at("2026-03-04"), count: 2)]
            )
            #expect(ada.totalRevenue.units == 0.7)
            #expect(summaries[1]?.totalRevenue.units == -5)
        }
    }

    @Test func theEventsOfAMergedUserMoveToTheKeptUser() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"), .external("ben"))
            try await fixture.append(
                [.of(0, "login", at: "2026-03-01"), .of(1, "login", at: "2026-03-01")],
                [.of(1, "cd", price: 3, at: "1997-03-01")])
            let before = try await fixture.eventsVersion()
            try await fixture.merge(.externalID("ben"), into: .externalID("ada"))
            #expect(try await fixture.eventsVersion() == before + 1)
            let summaries = try await fixture.users.eventSummaries(of: [0, 1])
            #expect(summaries.keys.sorted() == [0])
            #expect(summaries[0]?.events.first?.count == 2)
            #expect(summaries[0]?.totalRevenue.units == 3)
        }
    }

    @Test func anErasedUsersEventsAreGone() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"), .external("ben"), .external("cleo"))
            try await fixture.append([.of(0, "login", at: "1997-03-01")], [.of(1, "cd", price: 3, at: "2026-11-01")])
            let before = try await fixture.eventsVersion()
            try await fixture.delete(.externalID("cleo"))
            #expect(try await fixture.eventsVersion() == before, "she did nothing")
            try await fixture.delete(.externalID("ada"), .externalID("ben"))
            #expect(try await fixture.eventsVersion() == before + 1)
            for table in ["user_event", "user_purchase"] { #expect(try await fixture.rows(in: table) == 0) }
        }
    }

    @Test func anotherWorkspacesEventsAreNotSeen() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"))
            try await fixture.append([.of(0, "login", at: "1997-03-01")])
            let other = try await fixture.database.makeWorkspace("other")
            #expect(
                try await fixture.store.in(WorkspaceScope(other, deadline: .soon)).users.eventSummaries(of: [0]).isEmpty
            )
        }
    }
}

extension RegistryFixture {
    func append(_ events: [NewEvent], _ purchases: [NewPurchase] = []) async throws {
        let workspace = workspace
        try await store.in(workspace).transaction { connection in
            try connection.shareIdentity()
            try connection.append(events, purchases)
        }
    }

    func eventsVersion() async throws -> Int64 {
        let workspace = workspace
        return try await value("SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = 2")
    }

    func rows(in table: String) async throws -> Int64 {
        table == "user_event"
            ? try await value("SELECT count(*) FROM user_event") : try await value("SELECT count(*) FROM user_purchase")
    }
}

extension Instant {
    static func at(_ text: String) -> Instant { Instant(iso8601: text.utf8) ?? Instant(microseconds: 0) }
}

extension NewEvent {
    static func of(_ user: UserNumber, _ name: Identifier, at time: String) -> NewEvent {
        NewEvent(userNumber: user, name: name, occurredAt: .at(time))
    }
}

extension NewPurchase {
    static func of(
        _ user: UserNumber, _ product: Identifier, price: Double, quantity: Int = 1, currency: String = "USD",
        at time: String
    ) -> NewPurchase {
        NewPurchase(
            userNumber: user, productID: product, currency: currency, price: price, quantity: quantity,
            occurredAt: .at(time))
    }
}

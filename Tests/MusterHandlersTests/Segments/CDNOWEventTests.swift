import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// Every purchase of the real data set, stored as a purchase: its sets are found without any cohort or attribute.
@Suite(.enabled(if: CDNOW.isHere, "CDNOW_master.txt is not here; MUSTER_CDNOW can name it"))
struct CDNOWEventTests {
    @Test func everySetIsFoundByItsPurchases() async throws {
        let data = try CDNOW()
        try await withMuster { muster in
            let job = CDNOWPurchases(data: data, muster: muster)
            try await muster.register(data.everyone.sorted())
            try await job.append()
            try await job.saveSegments()
            try await job.expectSets()
            try await job.expectChecks()
            try await job.expectSummaries()
        }
    }
}

private struct CDNOWPurchases {
    let data: CDNOW
    let muster: MusterUnderTest

    private static let isRepeat = Filter.purchase(.init(count: .init(.greaterThanOrEqualTo, 2)))
    private static let active = Filter.purchase(.init(after: .at("1997-12-31")))
    private static let big = Filter.purchase(.init(totalSpent: .init(.greaterThanOrEqualTo, 100)))

    private let sets: [(id: Identifier, filter: Filter, truth: Set<Identifier>, size: Int)]

    init(data: CDNOW, muster: MusterUnderTest) {
        (self.data, self.muster) = (data, muster)
        let none = Filter.purchase(.init(count: .init(.equals, 0), after: .at("1997-12-31")))
        sets = [
            ("repeat", Self.isRepeat, data.repeat, 11_662), ("active", Self.active, data.active, 5_374),
            ("last", .purchase(.init(lastPurchase: .init(.after, .at("1997-12-31")))), data.active, 5_374),
            ("big", Self.big, data.big, 6_234),
            ("win-back", .all([Self.big, none]), data.big.subtracting(data.active), 2_519),
            (
                "valuable", .all([.any([Self.isRepeat, Self.big]), .not(Self.active)]),
                data.repeat.union(data.big).subtracting(data.active), 6_620
            ),
            ("both", .all([Self.isRepeat, Self.big]), data.repeat.intersection(data.big), 5_902),
            ("everyone", .purchase(.init(productID: "cd", currency: "USD")), data.everyone, 23_570),
        ]
    }

    func append() async throws {
        let deeds = data.purchases.map { purchase in
            TrackedEvent.purchase(purchase.customer, "cd", Double(purchase.cents) / 100, CDNOW.isoDate(purchase.date))
        }
        #expect(deeds.count == 69_659)
        let began = ContinuousClock.now
        for start in stride(from: 0, to: deeds.count, by: 5_000) {
            try await muster.server.append(Array(deeds[start..<min(start + 5_000, deeds.count)]))
        }
        print("CDNOW: appended in \(ContinuousClock.now - began)")
    }

    func saveSegments() async throws {
        for set in sets {
            _ = try await muster.send(CreateSegment(segmentID: set.id, name: set.id.text, filter: set.filter))
        }
    }

    func expectSets() async throws {
        for set in sets {
            let began = ContinuousClock.now
            let size = try await muster.send(SizeSegment(segmentID: set.id)).size
            print("CDNOW: \(set.id.text) counted in \(ContinuousClock.now - began)")
            #expect(size == set.size && set.truth.count == set.size, "size of \(set.id.text)")
            let found = try await muster.members(of: set.filter, pageSize: 10_000)
            #expect(Set(found) == set.truth && found.count == set.size, "members of \(set.id.text)")
        }
    }

    func expectChecks() async throws {
        let ids = data.everyone.sorted()
        let began = ContinuousClock.now
        var wrong = 0
        for start in stride(from: 0, to: ids.count, by: 1_000) {
            let users = Array(ids[start..<min(start + 1_000, ids.count)])
            let reply = try await muster.send(
                CheckSegments(users: users.map(UserReference.externalID), segments: sets.map(\.id)))
            for (user, result) in zip(users, reply.results) where result.in != sets.map({ $0.truth.contains(user) }) {
                wrong += 1
            }
        }
        print("CDNOW: checked in \(ContinuousClock.now - began)")
        #expect(wrong == 0, "customers whose check differs from the truth")
    }

    func expectSummaries() async throws {
        let workspace = muster.server.workspace.id
        let summaries = try await muster.server.store.in(WorkspaceScope(workspace, deadline: .soon)).users
            .eventSummaries(of: (0..<UInt32(data.customers.count)).map { UserNumber(rawValue: $0) })
        #expect(summaries.count == 23_570)
        let counts = summaries.values.reduce(0) { $0 + ($1.purchases.first?.count ?? 0) }
        #expect(counts == 69_659)
        let cents = summaries.values.reduce(Int64(0)) { $0 + $1.totalRevenue.millionths } / 10_000
        #expect(cents == Int64(data.customers.values.reduce(0) { $0 + $1.cents }))
    }
}

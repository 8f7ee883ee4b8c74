import MusterClient
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// The main job on real data: segments find every set that the data set's description names.
@Suite(.enabled(if: CDNOW.isHere, "CDNOW_master.txt is not here; MUSTER_CDNOW can name it"))
struct CDNOWTests {
    @Test func everySetOfTheRealPurchasesIsFound() async throws {
        let data = try CDNOW()
        #expect(data.everyone.count == 23_570)
        let seed = TestSeed("CDNOW")
        try await withMuster { muster in
            let job = CDNOWJob(data: data, client: muster.client)
            try await job.register()
            let repeats = try await job.importCohort("repeat", data.repeat)
            let active = try await job.importCohort("active", data.active)
            let big = try await job.importCohort("big", data.big)
            try await job.saveSegments()
            var cohorts = CDNOWCohorts(repeats: repeats, active: active, big: big)
            #expect(cohorts.figures == [11_662, 5_374, 6_234, 2_519, 6_620, 5_902])
            try await job.expect(cohorts)
            try await job.expectAttributes(active: data.active, big: data.big)

            var random = seed.random
            let leaving = Set(cohorts.active.union(cohorts.big).sorted().shuffled(using: &random).prefix(1_000))
            try await job.remove(leaving)
            cohorts.remove(leaving)
            try await job.expect(cohorts)

            // Another server on the same database knows only what is stored.
            let restarted = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace)
            let client = restarted.client()
            try await CDNOWJob(data: data, client: client).expect(cohorts)
            await client.close()
            await restarted.stop()
        }
    }
}

/// The expected members of the cohorts.
private struct CDNOWCohorts {
    var repeats: Set<Identifier>
    var active: Set<Identifier>
    var big: Set<Identifier>

    var winBack: Set<Identifier> { big.subtracting(active) }
    var valuable: Set<Identifier> { repeats.union(big).subtracting(active) }
    var both: Set<Identifier> { repeats.intersection(big) }

    var figures: [Int] { [repeats, active, big, winBack, valuable, both].map(\.count) }

    mutating func remove(_ leaving: Set<Identifier>) {
        repeats.subtract(leaving)
        active.subtract(leaving)
        big.subtract(leaving)
    }
}

private struct CDNOWJob {
    let data: CDNOW
    let client: MusterClient

    private static let segments: [(id: Identifier, filter: Filter)] = [
        ("repeat", .cohort("tinyclues", "repeat")),
        ("active", .cohort("tinyclues", "active")),
        ("big", .cohort("tinyclues", "big")),
        ("win-back", .all([.segment("big"), .not(.segment("active"))])),
        ("valuable", .all([.any([.cohort("tinyclues", "repeat"), .segment("big")]), .not(.segment("active"))])),
        ("both", .all([.segment("repeat"), .segment("big")])),
    ]

    func register() async throws {
        let ids = data.everyone.sorted()
        for start in stride(from: 0, to: ids.count, by: 5_000) {
            let users = ids[start..<min(start + 5_000, ids.count)].map { id in
                UserEntry(externalID: id, attributes: data.customers[id]?.attributes)
            }
            let reply = try await client.send(UpsertUsers(users: users, requestID: Identifier("register-\(start)")))
            #expect(reply.created == users.count)
        }
    }

    /// Imports a cohort in batches, four at once; returns the imported identifiers.
    func importCohort(_ cohortID: Identifier, _ members: Set<Identifier>) async throws -> Set<Identifier> {
        _ = try await client.send(
            CreateCohort(partner: "tinyclues", cohortID: cohortID, name: "CDNOW \(cohortID.text)"))
        let receipts = try await batches(members, of: 1_000) { batch, number in
            ImportCohort(
                partner: "tinyclues", cohortID: cohortID, requestID: Identifier("\(cohortID.text)-\(number)"),
                changes: [.adding(userIDs: batch)])
        }
        #expect(receipts.reduce(0) { $0 + $1.added } == members.count)
        return members
    }

    func remove(_ leaving: Set<Identifier>) async throws {
        for cohortID: Identifier in ["repeat", "active", "big"] {
            let receipts = try await batches(leaving, of: 300) { batch, number in
                ImportCohort(
                    partner: "tinyclues", cohortID: cohortID,
                    requestID: Identifier("\(cohortID.text)-leaving-\(number)"),
                    changes: [.removing(userIDs: batch)])
            }
            #expect(receipts.reduce(0) { $0 + $1.removed + $1.unchanged } == leaving.count)
        }
    }

    private func batches(
        _ members: Set<Identifier>, of size: Int, _ call: (IdentifierList, Int) -> ImportCohort
    ) async throws -> [Receipt] {
        let ids = members.sorted()
        let calls = stride(from: 0, to: ids.count, by: size).map { start in
            call(IdentifierList(ids[start..<min(start + size, ids.count)]), start)
        }
        return try await withThrowingTaskGroup(of: Receipt.self) { group in
            var receipts: [Receipt] = []
            for (index, call) in calls.enumerated() {
                if index >= 4, let receipt = try await group.next() { receipts.append(receipt) }
                group.addTask { try await client.send(call).receipt }
            }
            for try await receipt in group { receipts.append(receipt) }
            return receipts
        }
    }

    func saveSegments() async throws {
        for (id, filter) in Self.segments {
            _ = try await client.send(CreateSegment(segmentID: id, name: id.text, filter: filter))
        }
    }

    /// Checks each set by its size, by its members, and by checking every customer.
    func expect(_ cohorts: CDNOWCohorts) async throws {
        #expect(try await client.send(SizeSegment(filter: .everyone)).size == data.everyone.count)
        let truth = [cohorts.repeats, cohorts.active, cohorts.big, cohorts.winBack, cohorts.valuable, cohorts.both]
        for ((id, _), expected) in zip(Self.segments, truth) {
            let size = try await client.send(SizeSegment(segmentID: id)).size
            #expect(size == expected.count, "size of \(id.text)")
            let found = try await members(of: ListSegmentMembers(segmentID: id, pageSize: 5_000))
            #expect(Set(found) == expected && found.count == expected.count, "members of \(id.text)")
        }
        try await expectChecks(truth)
    }

    private func expectChecks(_ truth: [Set<Identifier>]) async throws {
        let ids = data.everyone.sorted()
        var wrong = 0
        for start in stride(from: 0, to: ids.count, by: 1_000) {
            let users = Array(ids[start..<min(start + 1_000, ids.count)])
            let reply = try await client.send(
                CheckSegments(users: users.map { .externalID($0) }, segments: Self.segments.map(\.id)))
            for (user, result) in zip(users, reply.results) where result.in != truth.map({ $0.contains(user) }) {
                wrong += 1
            }
        }
        #expect(wrong == 0, "customers whose check differs from the truth")
    }

    func expectAttributes(active: Set<Identifier>, big: Set<Identifier>) async throws {
        let filters: [(Filter, Set<Identifier>)] = [
            (.attribute("last_purchase", .after, .string("1997-12-31")), active),
            (.attribute("total", .greaterThanOrEqualTo, .number(100)), big),
            (
                .all([
                    .attribute("total", .greaterThanOrEqualTo, .number(100)), .not(.cohort("tinyclues", "active")),
                ]), big.subtracting(active)
            ),
        ]
        for (filter, expected) in filters {
            #expect(try await client.send(SizeSegment(filter: filter)).size == expected.count)
            let found = try await members(of: ListSegmentMembers(filter: filter, pageSize: 5_000))
            #expect(Set(found) == expected)
        }
    }

    private func members(of call: ListSegmentMembers) async throws -> [Identifier] {
        var found: [Identifier] = []
        for try await member in client.entries(of: call) {
            if let id = member.externalID { found.append(id) }
        }
        return found
    }
}

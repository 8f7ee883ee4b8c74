import Foundation
import MusterClient
import MusterProtocol

/// Fills a workspace for the reads, and tables of member rows with as many.
struct ReadsFilling {
    static let cohorts = 50
    static let segments = 200

    let bench: Bench
    let client: MusterClient
    var users: Int { bench.users }
    /// Members of a cohort: 100,000 of a million users.
    var members: Int { users / 10 }

    static func userID(_ number: Int) -> Identifier {
        let digits = String(number)
        return Identifier("u-" + String(repeating: "0", count: max(0, 7 - digits.count)) + digits)
    }

    func fill() async throws {
        try await registerUsers()
        _ = try await client.send(SetPartner(partner: "bench"))
        try await bench.inParallel(Array(0..<Self.cohorts), atOnce: 4) { try await importCohort($0) }
        for number in 0..<Self.segments {
            _ = try await client.send(
                CreateSegment(
                    segmentID: Self.segmentID(number), name: "s\(number)", filter: Self.filter(of: number)))
        }
        try bench.baseline.run(memberRows)
    }

    private func registerUsers() async throws {
        let (countries, plans) = (["FR", "DE", "US", "GB", "ES"], ["free", "pro", "team"])
        try await bench.inParallel(Array(stride(from: 0, to: users, by: 5_000)), atOnce: 4) { start in
            let entries = (start..<min(start + 5_000, users)).map { number in
                UserEntry(
                    externalID: Self.userID(number),
                    attributes: [
                        "country": .string(Array(countries[number % 5].utf8)),
                        "plan": .string(Array(plans[number / 5 % 3].utf8)), "age": .integer(Int64(18 + number % 60)),
                    ])
            }
            _ = try await client.send(UpsertUsers(users: entries))
        }
    }

    private func importCohort(_ number: Int) async throws {
        var random = SplitMix(state: UInt64(number))
        let ids = (0..<users).shuffled(using: &random).prefix(members).map(Self.userID)
        for start in stride(from: 0, to: ids.count, by: 50_000) {
            let list = IdentifierList(ids[start..<min(start + 50_000, ids.count)])
            _ = try await client.send(
                ImportCohort(partner: "bench", cohortID: Self.cohortID(number), changes: [.adding(userIDs: list)]))
        }
    }

    static func cohortID(_ number: Int) -> Identifier { Identifier("c\(number % cohorts)") }
    static func segmentID(_ number: Int) -> Identifier { Identifier("s\(number)") }
    static func cohort(_ number: Int) -> Filter { .cohort("bench", cohortID(number)) }

    /// Three cohorts; every fourth segment also has an attribute.
    private static func filter(of number: Int) -> Filter {
        var parts: [Filter] = [
            .any([cohort(number * 7), cohort(number * 11 + 1)]), .not(cohort(number * 13 + 2)),
        ]
        if number % 4 == 3 { parts.append(.attribute("country", .equals, .string("FR"))) }
        return .all(parts)
    }

    private var memberRows: String {
        """
        CREATE TABLE reads_user (id int4 PRIMARY KEY, external_id text COLLATE "C" NOT NULL);
        INSERT INTO reads_user SELECT i, 'u-' || lpad(i::text, 7, '0') FROM generate_series(0, \(users - 1)) i;
        CREATE UNIQUE INDEX ON reads_user (external_id) INCLUDE (id);
        CREATE TABLE reads_member (cohort int4, id int4, PRIMARY KEY (cohort, id));
        INSERT INTO reads_member SELECT c, (random() * \(users - 1))::int4
        FROM generate_series(0, 2) c, generate_series(1, \(members)) ON CONFLICT DO NOTHING;
        VACUUM ANALYZE reads_user, reads_member;
        VACUUM ANALYZE set_head, registered_user;
        """
    }
}

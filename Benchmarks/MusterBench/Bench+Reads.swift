import Foundation
import MusterClient
import MusterProtocol

extension Bench {
    /// Computes (A ∪ B) ∖ C over three random cohorts, by a call and by the best SQL over member rows.
    func sizes() async throws {
        let third = users / 3
        for (number, name) in ["a", "b", "c"].enumerated() {
            let ids = sample(third, seed: UInt64(number + 10))
            for start in stride(from: 0, to: ids.count, by: 50_000) {
                let list = IdentifierList(ids[start..<min(start + 50_000, ids.count)])
                _ = try await client.send(
                    ImportCohort(partner: "bench", cohortID: Identifier(name), changes: [.adding(userIDs: list)]))
            }
            try baseline.run(try baseline.importScript(ids, batches: ids.count, cohort: 11 + number))
        }
        try baseline.run("VACUUM ANALYZE bench_member;")
        let filter = Filter.all([
            .any([.cohort("bench", "a"), .cohort("bench", "b")]), .not(.cohort("bench", "c")),
        ])
        print(
            "\n## Size of (A ∪ B) ∖ C, three cohorts of \(third.grouped)\n\n| what | median ms | size |\n|---|---|---|")
        let (call, size) = try await median(of: 101) { try await client.send(SizeSegment(filter: filter)).size }
        print("| segments.size, exact, one call at a time | \(call) | \(size.grouped) |")
        for (name, sql) in Self.sizeStatements {
            let (milliseconds, count) = try sqlMedian(sql)
            print("| \(name) | \(milliseconds) | \(count.grouped) |")
        }
    }

    private static let sizeStatements = [
        (
            "SQL: count(DISTINCT) and NOT EXISTS",
            """
            SELECT count(DISTINCT m.user_number) FROM bench_member m WHERE m.cohort IN (11, 12)
            AND NOT EXISTS (SELECT FROM bench_member c WHERE c.cohort = 13 AND c.user_number = m.user_number)
            """
        ),
        (
            "SQL: GROUP BY and HAVING",
            """
            SELECT count(*) FROM (SELECT user_number FROM bench_member WHERE cohort IN (11, 12, 13)
            GROUP BY user_number HAVING bool_or(cohort <> 13) AND NOT bool_or(cohort = 13)) x
            """
        ),
        (
            "SQL: UNION and EXCEPT",
            """
            SELECT count(*) FROM ((SELECT user_number FROM bench_member WHERE cohort = 11
            UNION SELECT user_number FROM bench_member WHERE cohort = 12)
            EXCEPT SELECT user_number FROM bench_member WHERE cohort = 13) x
            """
        ),
    ]

    /// Returns milliseconds. `before` runs before each measurement and is not counted.
    func median(
        of count: Int, _ work: () async throws -> Int, before: () async throws -> Void = {}
    ) async throws -> (String, Int) {
        var times: [Double] = []
        var size = 0
        for _ in 0..<count {
            try await before()
            let clock = ContinuousClock()
            times.append(try await clock.measure { size = try await work() } / .milliseconds(1))
        }
        return (String(format: "%.3f", times.sorted()[count / 2]), size)
    }

    /// As psql's `\timing` reports it; the median of five.
    func sqlMedian(_ sql: String) throws -> (String, Int) {
        let flat = sql.replacing("\n", with: " ")
        let lines = try baseline.run("\\timing on\n" + String(repeating: flat + ";\n", count: 5)).split(separator: "\n")
        let times = lines.compactMap { line in
            line.hasPrefix("Time: ") ? Double(line.split(separator: " ")[1]) : nil
        }
        let size = lines.compactMap { Int($0) }.first ?? 0
        return (String(format: "%.0f", times.sorted()[times.count / 2]), size)
    }

    /// Checks one user against one segment, on one connection with 64 calls in flight.
    func checks() async throws {
        let filter = Filter.all([
            .any([.cohort("bench", "a"), .cohort("bench", "b")]), .not(.cohort("bench", "c")),
        ])
        do {
            _ = try await client.send(CreateSegment(segmentID: "bench", name: "bench", filter: filter))
        } catch let error as RPCError where error.code == .alreadyExists {}  // an earlier run's
        table("Checks, one user and one segment a call, 64 in flight on one connection", unit: "checks")
        let anyone = sample(min(users, 200_000), seed: 5)
        let few = Array(anyone.prefix(1_000))
        for (name, ids, staleness) in [
            ("exact, any of \(anyone.count.grouped) users", anyone, nil as Int?),
            ("exact, any of 1,000 users", few, nil),
            ("max_staleness_ms 100, any of \(anyone.count.grouped) users", anyone, 100),
            ("max_staleness_ms 100, any of 1,000 users", few, 100),
        ] {
            let calls = 200_000
            _ = try await check(ids, calls: 20_000, atOnce: 64, staleness, "bench", client)
            let measure = try await processes.measure {
                _ = try await check(ids, calls: calls, atOnce: 64, staleness, "bench", client)
            }
            row(name, count: calls, measure)
        }
    }

    /// Makes calls from so many tasks; returns how many users were in the segment.
    func check(
        _ ids: [Identifier], calls: Int, atOnce: Int, _ staleness: Int?, _ segment: Identifier, _ client: MusterClient
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in 0..<atOnce {
                group.addTask {
                    var members = 0
                    for number in stride(from: worker, to: calls, by: atOnce) {
                        let call = CheckSegments(
                            users: [.externalID(ids[number % ids.count])], segments: [segment],
                            maxStalenessMilliseconds: staleness)
                        if try await client.send(call).results.first?.in == [true] { members += 1 }
                    }
                    return members
                }
            }
            return try await group.reduce(0, +)
        }
    }
}

import Foundation
import MusterClient
import MusterProtocol

extension Bench {
    func register() async throws {
        _ = try await client.send(SetPartner(partner: "bench"))
        table("Registering users", unit: "users")
        let measure = try await processes.measure {
            try await inParallel(stride(from: 0, to: users, by: 5_000).map(\.self), atOnce: 4) { start in
                let entries = (start..<min(start + 5_000, users)).map { number in
                    UserEntry(
                        externalID: userID(number),
                        attributes: ["country": number % 5 == 0 ? "FR" : "DE", "visits": .integer(Int64(number % 100))])
                }
                _ = try await client.send(UpsertUsers(users: entries))
            }
        }
        row("5,000 a call, four calls at once", count: users, measure)
        try baseline.run("VACUUM ANALYZE registered_user;")
    }

    /// Imports the same identifiers by RPC and by psql, alternately.
    func imports() async throws {
        table("Importing \(users.grouped) identifiers", unit: "identifiers")
        try baseline.prepare()
        let ids = sample(users, seed: 1)
        for (number, size) in [1_000, 10_000].enumerated() {
            for atOnce in [1, 4] {
                let measure = try await importAll(ids, "rpc-\(size)-\(atOnce)", batches: size, atOnce: atOnce)
                row("RPC, \(size.grouped) a call, \(atOnce) at once", count: ids.count, measure)
            }
            let script = try baseline.importScript(ids, batches: size, cohort: number + 1)
            row(
                "psql, \(size.grouped) a transaction", count: ids.count,
                try await processes.measure { try baseline.run(script) })
        }
        let measure = try await importAll(ids, "rpc-50000", batches: 50_000, atOnce: 1)
        row("RPC, 50,000 a call, 1 at once", count: ids.count, measure)
        let script = try baseline.importScript(ids, batches: ids.count, cohort: 9)
        row("psql, all in one transaction", count: ids.count, try await processes.measure { try baseline.run(script) })
    }

    private func importAll(_ ids: [Identifier], _ name: String, batches size: Int, atOnce: Int) async throws -> Measure
    {
        let lists = stride(from: 0, to: ids.count, by: size).map { start in
            IdentifierList(ids[start..<min(start + size, ids.count)])
        }
        return try await processes.measure {
            try await inParallel(Array(lists.enumerated()), atOnce: atOnce) { number, list in
                // Each sender has a cohort of its own, as partners do.
                let cohort = Identifier("\(name)-\(number % atOnce)")
                _ = try await client.send(
                    ImportCohort(
                        partner: "bench", cohortID: cohort, requestID: Identifier("\(name)-\(number)"),
                        changes: [.adding(userIDs: list)]))
            }
        }
    }

    func inParallel<T: Sendable>(
        _ work: [T], atOnce: Int, _ body: @escaping @Sendable (T) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, item) in work.enumerated() {
                if index >= atOnce { try await group.next() }
                group.addTask { try await body(item) }
            }
            try await group.waitForAll()
        }
    }
}

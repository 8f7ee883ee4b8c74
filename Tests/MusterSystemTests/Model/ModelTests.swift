import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

/// Random operations on two servers and on a model of dictionaries and sets, which predicts the results.
@Suite struct ModelTests {
    @Test func musterAgreesWithANaiveModel() async throws {
        let end = RunLength.modelSeconds.map { ContinuousClock.now + .seconds($0) }
        repeat {
            let seed = TestSeed("model test").value
            let isSame = try await run(seed)
            if !isSame || TestSeed.given != nil { return }
        } while end.map { .now < $0 } ?? false
    }

    private func run(_ seed: UInt64) async throws -> Bool {
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("test")
            let run = try await ModelRun(seed: seed, database: database, workspace: workspace)
            defer { run.repeats = [] }
            var step = 0
            var last = "the beginning"
            do {
                _ = try await run.client.send(SetPartner(partner: "tinyclues"))
                try await run.upsert(Vocabulary.bulk.map { UserEntry(externalID: Vocabulary.bulkUser($0)) })
                while step < RunLength.modelOperations {
                    step += 1
                    last = try await run.step()
                    for _ in 0..<2 { try await run.compare() }
                }
                let report = try await run.servers[0].store.maintenance.verify(deadline: .soon)
                try run.expectEqual(report.problems, [], "what verify finds")
            } catch {
                Issue.record("MUSTER_SEED=\(seed), step \(step), after \(last): \(error)")
            }
            await run.end()
            return step == RunLength.modelOperations
        }
    }
}

import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// The log of identifiers: applied from an empty workspace on, it says what the tables have.
@Suite struct IdentifierLogTests {
    @Test(arguments: TestSeed.several(3))
    func theLogFollowsEveryOperation(seed: UInt64) async throws {
        try await RegistryFixture.with { fixture in
            var operations = IdentityOperations(random: SeededRandom(seed: seed))
            for _ in 0..<150 {
                let name = try await operations.runOne(fixture)
                let differs = try await fixture.identifierLogDiffers()
                try #require(differs == nil, "MUSTER_SEED=\(seed): after \(name) \(differs ?? "")")
            }
            #expect(try await fixture.store.maintenance.verify(deadline: .soon).problems == [])
        }
    }

    /// `RegistryFixture` compares at the end; the order of the log is the order in which the writers committed.
    @Test func concurrentWritersLogInTheOrderOfTheirCommits() async throws {
        let seed = TestSeed("concurrent writers of identifiers").value
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<4 {
                    group.addTask {
                        var operations = IdentityOperations(random: SeededRandom(seed: seed &+ UInt64(task)))
                        for _ in 0..<60 { _ = try await operations.runOne(fixture) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.identifierLogDiffers() == nil)
        }
    }

    @Test func aWriteThatChangesNoIdentifierRaisesNothing() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(externalID: "u", deviceIDs: ["d"]), .external("v"))
            let version = try await fixture.identifiersVersion()
            #expect(version == 1)
            try await fixture.upsert(UserEntry(externalID: "u", deviceIDs: ["d"], attributes: ["n": 1]))
            try await fixture.track(#"{"attributes":[{"external_id":"u","m":1}]}"#)
            _ = try await fixture.rename(("u", "v"))
            _ = try await fixture.removeIDs("u")
            try await fixture.delete(.externalID("nobody"))
            #expect(try await fixture.identifiersVersion() == version)
        }
    }

    @Test func oldChangesAndThoseBeyondASizeAreDeleted() async throws {
        try await TestDatabase.with { database in
            try await database.withStore { store in
                let fixture = RegistryFixture(database: database, store: store, workspace: database.workspace)
                for number in 0..<4 { try await fixture.upsert(.external(Identifier("u-\(number)"))) }
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 0)
                try await database.run(
                    "UPDATE identifier_change SET changed_at = now() - interval '24 hours 1 second' WHERE version = 2")
                // A younger one before it is none to keep a log with a gap for.
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 0)
                try await database.run(
                    "UPDATE identifier_change SET changed_at = now() - interval '24 hours 1 second' WHERE version = 1")
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 2)
                #expect(try await store.maintenance.verify(deadline: .soon).problems == [])
                // As if 10,000 identifiers had come since: 200,000 bytes.
                try await database.run(
                    """
                    UPDATE identifier_change SET log_bytes = 220000 WHERE version = 4;
                    UPDATE set_head SET log_bytes = 220000 WHERE set_number = 5;
                    UPDATE identifier_change SET log_bytes = 20001 WHERE version = 3;
                    """)
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 0)
                try await database.run("UPDATE identifier_change SET log_bytes = 20000 WHERE version = 3")
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 1)
                try await database.run("UPDATE identifier_change SET changed_at = now() - interval '25 hours'")
                #expect(try await store.maintenance.run(Retention()).identifierChangesPruned == 1)
                #expect(try await store.maintenance.verify(deadline: .soon).problems == [])
                try await fixture.upsert(.external("u-9"))
                #expect(try await fixture.identifiersVersion() == 5)
            }
        }
    }

    @Test(arguments: [
        ("UPDATE user_device SET user_number = 1", "2 of its 5 identifiers are not as the tables have them"),
        ("DELETE FROM identifier_change WHERE version = 2", "version 3: the one before it is 1"),
        ("DELETE FROM identifier_change WHERE version = 4", "version 4: the log ends at 3"),
        (
            "UPDATE identifier_change SET previous_tag = 0 WHERE version = 2",
            "version 2: it goes on from another history"
        ),
        ("UPDATE identifier_change SET come = '', gone = '' WHERE version = 1", "version 1: its entries are damaged"),
        (
            "UPDATE registered_user SET external_id = 'other' WHERE external_id = 'u'",
            "1 of its 5 identifiers are not as the tables have them"
        ),
    ])
    func verifyNamesWhatIsWrongOfTheLog(damage: String, problem: String) async throws {
        try await TestDatabase.with { database in
            try await database.withStore { store in
                let fixture = RegistryFixture(database: database, store: store, workspace: database.workspace)
                try await fixture.upsert(UserEntry(externalID: "u", deviceIDs: ["d", "e"]))
                try await fixture.upsert(.external("v"))
                try await fixture.upsert(.external("w"))
                try await fixture.delete(.externalID("w"))
                #expect(try await store.maintenance.verify(deadline: .soon).problems == [])
                try await database.run(damage)
                let expected = "workspace \(database.workspace.rawValue), the log of identifiers, \(problem)"
                #expect(try await store.maintenance.verify(deadline: .soon).problems.contains(expected))
            }
        }
    }

    @Test func anIdentifierThatWentAndIsThereIsNamed() async throws {
        try await TestDatabase.with { database in
            try await database.withStore { store in
                let fixture = RegistryFixture(database: database, store: store, workspace: database.workspace)
                try await fixture.upsert(.external("u"), .external("v"))
                try await fixture.delete(.externalID("v"))
                try await database.run("UPDATE registered_user SET external_id = 'v'")
                let problem = "2 of its 2 identifiers are not as the tables have them"
                #expect(
                    try await store.maintenance.verify(deadline: .soon).problems == [
                        "workspace \(database.workspace.rawValue), the log of identifiers, \(problem)"
                    ])
            }
        }
    }
}

import MusterProtocol
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// Directories that are loaded from PostgreSQL, and follow it.
struct DirectoryLoadTests {
    /// All operations that change which identifier finds which user, over so few identifiers that they meet.
    @Test(arguments: TestSeed.several(3))
    func aDirectoryFollowsEveryOperation(seed: UInt64) async throws {
        try await RegistryFixture.with { fixture in
            var operations = IdentityOperations(random: SeededRandom(seed: seed))
            for _ in 0..<15 { _ = try await operations.runOne(fixture) }
            let directory = try await fixture.loading().load()
            #expect(try await fixture.differences(of: directory) == [], "seed \(seed)")
            for step in 0..<60 {
                let name = try await operations.runOne(fixture)
                // Several changes at once, too.
                guard step.isMultiple(of: 3) || step == 59 else { continue }
                #expect(try await fixture.refresh(directory), "seed \(seed), step \(step), \(name)")
                #expect(try await fixture.differences(of: directory) == [], "seed \(seed), step \(step), \(name)")
            }
        }
    }

    /// The ranges of such a load are of different versions.
    @Test(arguments: TestSeed.several(3))
    func aLoadBesideWritersIsOfOneVersion(seed: UInt64) async throws {
        try await RegistryFixture.with { fixture in
            var operations = IdentityOperations(random: SeededRandom(seed: seed))
            for _ in 0..<15 { _ = try await operations.runOne(fixture) }
            let isOver = Flag()
            async let loads = fixture.loads(until: isOver)
            for _ in 0..<60 { _ = try await operations.runOne(fixture) }
            isOver.raise()
            for directory in try await loads {
                #expect(try await fixture.refresh(directory), "seed \(seed)")
                #expect(try await fixture.differences(of: directory) == [], "seed \(seed)")
            }
        }
    }

    @Test func aDirectoryBeforeTheStartOfTheLogOrOfAnotherHistoryIsNotRefreshed() async throws {
        try await TestDatabase.with { database in
            try await database.withStore { store in
                let fixture = RegistryFixture(database: database, store: store, workspace: database.workspace)
                try await fixture.upsert(.external("a"))
                let directory = try await fixture.loading().load()
                let start = directory.version
                try await fixture.upsert(.external("b"))
                try await fixture.upsert(.external("c"))
                let other = IdentityDirectory(at: SetVersion(version: start.version, tag: start.tag + 1))
                #expect(try await fixture.refresh(other) == false)
                let ahead = IdentityDirectory(at: SetVersion(version: start.version + 9, tag: start.tag))
                #expect(try await fixture.refresh(ahead) == false)
                try await database.run("DELETE FROM identifier_change WHERE version <= \(start.version + 1)")
                #expect(try await fixture.refresh(directory) == false)
                #expect(directory.version == start)
            }
        }
    }

    @Test func verificationNoticesADirectoryThatDiffers() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(externalID: "a", aliases: [Alias(label: "l", name: "n")], deviceIDs: ["d"]),
                UserEntry(deviceIDs: ["e"]))
            let key = try await fixture.digestKey()
            let a = try #require(key.digest(of: .externalID("a")))
            let wrong: [[LoggedIdentifier]] = [
                [.make(a, 1, isExternalID: true)],
                [.make(IdentifierDigest(high: 1, low: 2), 0)],
                [.make(a, 0, isExternalID: true), .make(IdentifierDigest(high: 1, low: 2), 1, isExternalID: true)],
            ]
            for entries in wrong {
                let directory = try await fixture.loading().load()
                #expect(try await fixture.differences(of: directory) == [])
                directory.enter(entries)
                #expect(try await fixture.differences(of: directory) != [])
            }
            #expect(try await fixture.verification().identifiers == 4)
            #expect(try await fixture.verification().problems == [])
        }
    }

    @Test func verificationNoticesCollisions() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<1_000).map { .external(Identifier("u-\($0)")) })
            #expect(try await fixture.verification(.all).problems == [])
            let problems = try await fixture.verification(.sixteen).problems
            #expect(problems.count == 2, "\(problems)")
        }
    }
}

extension RegistryFixture {
    func loading(usersPerRange: UInt32 = 8_192, kept: FingerprintBits = .all) -> DirectoryLoading {
        DirectoryLoading(
            database: store.database, workspace: workspace, kept: kept, usersPerRange: usersPerRange)
    }

    /// Loads directories one after the other, in ranges of two users.
    fileprivate func loads(until isOver: Flag) async throws -> [IdentityDirectory] {
        var loaded: [IdentityDirectory] = []
        repeat { loaded.append(try await loading(usersPerRange: 2).load()) } while !isOver.isRaised
        return loaded
    }

    func refresh(_ directory: IdentityDirectory) async throws -> Bool {
        try await store.in(workspace).snapshot { transaction in
            try transaction.refresh(directory, to: try transaction.identifiersHead())
        }
    }

    func digestKey() async throws -> IdentifierDigestKey {
        try await store.in(workspace).snapshot { transaction in try transaction.directoryStart().key }
    }

    /// How a directory differs from look-ups by SQL: of all identifiers that there are, and of all that operations use.
    func differences(of directory: IdentityDirectory) async throws -> [String] {
        try await store.in(workspace).snapshot { transaction in
            let start = try transaction.directoryStart()
            let references = IdentityOperations.references
            let digests = try references.map { try #require(try start.key.digest(of: $0)) }
            guard let found = directory.users(of: digests, at: start.head) else { return ["another version"] }
            let wrong = zip(found, try transaction.find(references)).count { $0 != $1 }
            return try DirectoryVerification(directory, start, transaction).problems
                + (wrong > 0 ? ["\(wrong) look-ups"] : [])
        }
    }

    func verification(_ kept: FingerprintBits = .all) async throws -> DirectoryVerification {
        try await store.in(workspace).snapshot { transaction in try DirectoryVerification(kept: kept, transaction) }
    }
}

extension IdentityOperations {
    /// All that they may name.
    static let references: [UserReference] =
        (0..<9).flatMap { [.externalID(Identifier("u-\($0)")), .deviceID(Identifier("d-\($0)"))] }
        + (0..<3).flatMap { label in
            (0..<5).map { .alias(Alias(label: Identifier("l-\(label)"), name: Identifier("n-\($0)"))) }
        }
}

import Logging
import MusterProtocol
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// When directories are loaded, within which memory, and which of them go.
struct DirectoryBoundTests {
    @Test func aDirectoryIsLoadedInTheBackgroundWhenItIsFirstAskedFor() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let directories = fixture.directories(byteLimit: 1 << 20)
            #expect(directories.directory(of: fixture.workspace) == nil)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let directory = try #require(directories.directory(of: fixture.workspace))
            let key = try #require(directories.digestKey(of: fixture.workspace))
            let digest = try #require(key.digest(of: .externalID("a")))
            #expect(directory.user(of: digest, at: directory.version) == .some(.some(0)))
            let usage = directories.usage
            #expect(usage.directories == 1 && usage.identifiers == 1 && usage.loads == 1)
            #expect(usage.bytes == directory.byteCount)
        }
    }

    @Test func withoutMemoryNothingIsLoaded() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let directories = fixture.directories(byteLimit: 0)
            for _ in 0..<3 {
                #expect(directories.directory(of: fixture.workspace) == nil)
                #expect(directories.digestKey(of: fixture.workspace) == nil)
                #expect(directories.usage.loading == 0)
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(directories.usage.loads == 0 && directories.usage.failures == 0)
        }
    }

    @Test func aDirectoryLargerThanTheBoundIsNotLoadedAndNotTriedAgainAtOnce() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert((0..<300).map { .external(Identifier("u-\($0)")) })
            let directories = fixture.directories(byteLimit: 2_000)
            #expect(directories.directory(of: fixture.workspace) == nil)
            #expect(await eventually { directories.usage.tooLarge == 1 })
            #expect(await eventually { directories.usage.loading == 0 })
            #expect(directories.directory(of: fixture.workspace) == nil)
            #expect(directories.usage.loading == 0 && directories.usage.tooLarge == 1)
            #expect(directories.usage.bytes == 0)
        }
    }

    /// The estimate counts one identifier a user; here each has four.
    @Test func aLoadEndsWhereItOutgrowsTheBound() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                (0..<300).map {
                    UserEntry(
                        externalID: Identifier("u-\($0)"),
                        deviceIDs: ["a-\($0)", "b-\($0)", "c-\($0)"].map(Identifier.init(_:)))
                })
            let directories = fixture.directories(byteLimit: 300 * 30, Waiting.none)
            #expect(directories.directory(of: fixture.workspace) == nil)
            #expect(await eventually { directories.usage.tooLarge == 1 })
            #expect(directories.usage.bytes == 0)
        }
    }

    @Test func aLoadThatFailsIsTriedAgain() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let directories = fixture.directories(byteLimit: 1 << 20, Waiting.none)
            let key = "SELECT * FROM identifier_digest_key"
            try await fixture.database.run("CREATE TABLE kept AS \(key); DELETE FROM identifier_digest_key")
            #expect(directories.directory(of: fixture.workspace) == nil)
            #expect(await eventually { directories.usage.failures > 0 })
            try await fixture.database.run("INSERT INTO identifier_digest_key SELECT * FROM kept; DROP TABLE kept")
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
        }
    }

    @Test func aDirectoryThatIsNotUsedGivesWay() async throws {
        try await RegistryFixture.with { fixture in
            let other = try await fixture.withUsersInTwoWorkspaces(300)
            let directories = fixture.directories(byteLimit: 300 * 40, Waiting.none)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            #expect(await eventually { directories.directory(of: other) != nil })
            #expect(directories.usage.directories == 1 && directories.usage.evictions == 1)
            #expect(directories.usage.bytes <= 300 * 40)
        }
    }

    @Test func aDirectoryInUseIsNotDroppedForAnother() async throws {
        try await RegistryFixture.with { fixture in
            let other = try await fixture.withUsersInTwoWorkspaces(300)
            let directories = fixture.directories(byteLimit: 300 * 40)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            #expect(directories.directory(of: other) == nil)
            #expect(await eventually { directories.usage.failures == 1 })
            #expect(directories.directory(of: fixture.workspace) != nil && directories.usage.evictions == 0)
        }
    }

    @Test func aDirectoryThatOutgrowsTheBoundIsDropped() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let directories = fixture.directories(byteLimit: 100_000)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let directory = try #require(directories.directory(of: fixture.workspace))
            var random = TestSeed("aDirectoryThatOutgrowsTheBoundIsDropped").random
            directory.enter((0..<10_000).map { _ in .make(random.digest(), 0) })
            #expect(await eventually { directories.directory(of: fixture.workspace) == nil })
            #expect(directories.usage.evictions == 1 && directories.usage.bytes == 0)
        }
    }

    @Test func aDroppedDirectoryIsLoadedAnew() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let directories = fixture.directories(byteLimit: 1 << 20, Waiting.none)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let first = try #require(directories.directory(of: fixture.workspace))
            directories.drop(first, of: fixture.workspace)
            #expect(directories.usage.dropped == 1 && directories.usage.directories == 0)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let second = try #require(directories.directory(of: fixture.workspace))
            #expect(second !== first)
            directories.drop(first, of: fixture.workspace)
            #expect(directories.directory(of: fixture.workspace) === second)
        }
    }
}

private enum Waiting {
    static let none = IdentityDirectories.Patience(afterFailure: .zero, afterTooLarge: .seconds(600), inUse: .zero)
}

extension RegistryFixture {
    func directories(
        byteLimit: Int, _ patience: IdentityDirectories.Patience = .init()
    ) -> IdentityDirectories {
        IdentityDirectories(
            byteLimit: byteLimit, database: store.database, patience: patience, logger: store.logger)
    }

    /// Makes this many users here and in another workspace.
    fileprivate func withUsersInTwoWorkspaces(_ count: Int) async throws -> WorkspaceID {
        let other = try await database.makeWorkspace("other")
        let users: [UserEntry] = (0..<count).map { .external(Identifier("u-\($0)")) }
        try await upsert(users)
        _ = try await store.in(other).users.upsert(users, request: key(UpsertUsers.method, nil))
        return other
    }
}

import Foundation
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// What the journal of erasures says, and when.
@Suite struct JournalTests {
    @Test func anErasureIsInTheJournalWhenItIsAcknowledged() async throws {
        try await withFolder { folder in
            try await RegistryFixture.with(journal: journal(folder)) { fixture in
                let ids = try await fixture.register("u-0", "u-1", "u-2")
                try await fixture.delete(.externalID("u-2"), .externalID("nobody"), .externalID("u-0"))
                #expect(try content(folder).registrations == [fixture.workspace: [ids[0], ids[2]]])
                try await fixture.delete(.externalID("nobody"))
                #expect(try lines(folder).count == 2)
                #expect(fixture.store.journal?.lineCount == 2)
                #expect(try await fixture.waiting() == 0)
            }
        }
    }

    @Test func usersMergedIntoAnErasedUserAreJournalledToo() async throws {
        try await withFolder { folder in
            try await RegistryFixture.with(journal: journal(folder)) { fixture in
                let ids = try await fixture.register("a", "b", "c", "d")
                try await fixture.merge(.externalID("a"), into: .externalID("b"))
                try await fixture.merge(.externalID("b"), into: .externalID("c"))
                // She lives, and nothing is erased.
                #expect(try content(folder).registrations == [:])
                try await fixture.delete(.externalID("c"))
                #expect(try content(folder).registrations == [fixture.workspace: Set(ids.prefix(3))])
            }
        }
    }

    @Test func nothingIsErasedWhileTheJournalCannotBeWritten() async throws {
        try await withFolder { folder in
            let late = "\(folder)/late"
            let journal = journal(late)
            try? await journal.open()
            #expect(!journal.isWritable)
            try await RegistryFixture.with(journal: journal) { fixture in
                let ids = try await fixture.register("u-0")
                await #expect(throws: JournalUnavailable.self) { try await fixture.delete(.externalID("u-0")) }
                #expect(try await fixture.get(.externalID("u-0")) != nil)
                try FileManager.default.createDirectory(atPath: late, withIntermediateDirectories: false)
                #expect(try await fixture.delete(.externalID("u-0")).deleted == 1)
                #expect(journal.isWritable)
                #expect(try content(late).registrations == [fixture.workspace: [ids[0]]])
            }
        }
    }

    @Test(arguments: [true, false])
    func anErasureOfAKilledServerIsJournalledByAnother(isRepeated: Bool) async throws {
        try await withFolder { folder in
            let (first, second) = ("\(folder)/1", "\(folder)/2")
            for folder in [first, second] {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            }
            try await RegistryFixture.with(journal: journal(first)) { fixture in
                let ids = try await fixture.register("u-0", "u-1")
                fixture.store.failpoints.set(.erasureCommitted) { try? FileManager.default.removeItem(atPath: first) }
                await #expect(throws: NotJournalled.self) {
                    try await fixture.delete([.externalID("u-1")], requestID: "r-1")
                }
                #expect(try await fixture.get(.externalID("u-1")) == nil)
                #expect(try await fixture.waiting() == 1)
                try await fixture.database.withStore(journal: journal(second)) { store in
                    let other = RegistryFixture(database: fixture.database, store: store, workspace: fixture.workspace)
                    if isRepeated {
                        #expect(try await other.delete([.externalID("u-1")], requestID: "r-1").deleted == 1)
                    } else {
                        // An erasure that is still running is left alone.
                        #expect(try await store.maintenance.run(Retention()).erasuresJournalled == 0)
                        try await other.age()
                        #expect(try await store.maintenance.run(Retention()).erasuresJournalled == 1)
                    }
                }
                #expect(try content(second).registrations == [fixture.workspace: [ids[1]]])
                #expect(try await fixture.waiting() == 0)
            }
        }
    }

    @Test func anUncommittedErasureIsNotInTheJournal() async throws {
        try await withFolder { folder in
            try await RegistryFixture.with(journal: journal(folder)) { fixture in
                try await fixture.register("u-0", "u-1")
                try await fixture.delete([.externalID("u-0")], requestID: "r-1")
                await #expect(throws: RequestIDReused.self) {
                    _ = try await fixture.users.delete(
                        [.externalID("u-1")], request: fixture.key(DeleteUsers.method, "r-1", digest: 2))
                }
                #expect(try lines(folder).count == 1)
            }
        }
    }

    @Test func concurrentErasuresAreAllInTheJournal() async throws {
        try await withFolder { folder in
            try await RegistryFixture.with(journal: journal(folder)) { fixture in
                let names = (0..<16).map { Identifier("u-\($0)") }
                let ids = try await fixture.register(names)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for name in names {
                        group.addTask {
                            // As a call has it: what comes after its first unit of work is not refused.
                            let scope = WorkspaceScope(fixture.workspace, keyID: "k", deadline: .now + .seconds(30))
                            _ = try await fixture.store.in(scope).users.delete(
                                [.externalID(name)], request: fixture.key(DeleteUsers.method, nil))
                        }
                    }
                    try await group.waitForAll()
                }
                let content = try content(folder)
                #expect(content.registrations == [fixture.workspace: Set(ids)])
                #expect(content.truncated == [] && content.damaged == [])
                #expect(try lines(folder).count == 16)
            }
        }
    }

    @Test func aTruncatedLineSwallowsNoOther() async throws {
        try await withFolder { folder in
            let journal = journal(folder)
            let (one, two) = (line("aa", 1), line("bb", 2))
            try await journal.append([one], deadline: .soon)
            try write(folder, lines(folder) + [String(decoding: two.bytes.dropLast(9), as: UTF8.self)])
            try await journal.append([two], deadline: .soon)
            let content = try content(folder)
            #expect(content.registrations == [one.workspace: ["aa"], two.workspace: ["bb"]])
            #expect(content.truncated == [2] && content.damaged == [])
        }
    }

    @Test func everyTruncatedLineIsTornAndEveryChangedLineIsDamaged() async throws {
        try await withFolder { folder in
            let whole = Array(line("3f9a1c07be425d6688a0b1c2", 7).bytes.dropLast())
            for count in 1..<whole.count {
                try write(folder, [String(decoding: whole.prefix(count), as: UTF8.self)])
                let content = try content(folder)
                #expect(content.truncated == [1] && content.registrations.isEmpty, "\(count) bytes")
            }
            for fixture in whole.indices where whole[fixture] != UInt8(ascii: " ") {
                var changed = whole
                changed[fixture] ^= 0x01
                try write(folder, [String(decoding: changed, as: UTF8.self)])
                let content = try content(folder)
                #expect(content.damaged == [1] && content.registrations.isEmpty, "byte \(fixture)")
            }
            try write(folder, [String(repeating: "x", count: 200_000), String(decoding: whole, as: UTF8.self)])
            #expect(try content(folder).registrations.count == 1)
        }
    }

    // MARK: -

    private func line(_ id: Identifier, _ workspace: Int32) -> JournalLine {
        JournalLine(workspace: WorkspaceID(rawValue: workspace), brazeID: id, erasedAt: .now)
    }

    private func journal(_ folder: String) -> ErasureJournal {
        ErasureJournal(path: "\(folder)/erasures", logger: quietLogger)
    }

    private func content(_ folder: String) throws -> JournalContent {
        guard FileManager.default.fileExists(atPath: "\(folder)/erasures") else { return JournalContent() }
        return try JournalContent(file: "\(folder)/erasures")
    }

    private func lines(_ folder: String) throws -> [String] {
        try String(contentsOfFile: "\(folder)/erasures", encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// Without an end of the last line.
    private func write(_ folder: String, _ lines: [String]) throws {
        try lines.joined(separator: "\n").write(toFile: "\(folder)/erasures", atomically: false, encoding: .utf8)
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "muster-journal-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }
}

extension RegistryFixture {
    /// - Returns: the random names that they got.
    @discardableResult
    fileprivate func register(_ ids: Identifier...) async throws -> [Identifier] { try await register(ids) }

    fileprivate func register(_ ids: [Identifier]) async throws -> [Identifier] {
        try await upsert(ids.map { .external($0) })
        var names: [Identifier] = []
        for id in ids { names.append(try #require(try await get(.externalID(id))).brazeID) }
        return names
    }

    @discardableResult
    fileprivate func delete(_ users: [UserReference], requestID: Identifier) async throws -> DeleteUsers.Reply {
        try await self.users.delete(users, request: key(DeleteUsers.method, requestID))
    }

    /// Rows that the journal lacks.
    fileprivate func waiting() async throws -> Int64 {
        let workspace = workspace
        return try await value("SELECT count(*) FROM erasure_to_journal WHERE workspace_id = \(workspace)")
    }

    /// As if what waits were from an hour ago.
    fileprivate func age() async throws {
        let workspace = workspace
        try await TestDatabase.open(database.ownerURL, connections: 1) { database in
            try await database.transaction(deadline: .soon) { connection in
                try connection.execute(
                    """
                    UPDATE erasure_to_journal SET erased_at = \(Instant.now - .hours(1)) WHERE workspace_id = \(workspace)
                    """)
            }
        }
    }
}

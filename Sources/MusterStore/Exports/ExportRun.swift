import Logging
import MusterProtocol
import MusterSets
import Postgres
import Zip

/// Attempts at one export before it fails for good: the export itself may crash the servers that run it.
private let maxAttempts: Int32 = 10

extension MaintenanceStore {
    /// Makes all waiting archives, one after the other, and returns how many it made.
    ///
    /// - Parameter keepHours: how long an archive can be fetched.
    public func runExports(keepHours: Int) async throws -> Int {
        var count = 0
        for workspace in try await workspaceIDs() {
            count += try await ExportRunner(store: store, scope: scope(of: workspace)).run(keepHours: keepHours)
        }
        return count
    }
}

/// Makes the archives of one workspace. Each transaction has its own deadline.
struct ExportRunner: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    fileprivate func run(keepHours: Int) async throws -> Int {
        var count = 0
        while let export = try await claim() {
            if try await run(export, keepHours: keepHours) { count += 1 }
        }
        return count
    }

    /// Whether this process made the archive.
    private func run(_ export: ClaimedExport, keepHours: Int) async throws -> Bool {
        do {
            guard export.attempt <= maxAttempts else { throw TooManyAttempts() }
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await self.keepLease(of: export)
                    return true
                }
                group.addTask {
                    try await self.makeArchive(of: export, keepHours: keepHours)
                    return true
                }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
            return true
        } catch is LeaseLost {
            return false
        } catch is ErasedMeanwhile {
            do { try await giveBack(export) } catch is LeaseLost {}
            return false
        } catch let error where !Self.mayPass(error) {
            // Other servers would fail as well.
            store.logger.warning("An export failed", metadata: ["cause": "\(error)"])
            do { try await fail(export, keepHours: keepHours) } catch is LeaseLost {}
            return false
        }
    }

    /// Whether another attempt, perhaps on another machine, may succeed. The number of attempts is limited.
    private static func mayPass(_ error: any Error) -> Bool {
        error is PostgresError || error is CancellationError || error is ZipError
    }

    /// Users are read over many transactions, so a user may be erased after being read and before the archive is done.
    /// Maintenance finds users erased between the second check and the end of `finish`.
    private func makeArchive(of export: ClaimedExport, keepHours: Int) async throws {
        let content = try await ExportContent(of: export, members: try await members(of: export), from: self)
        let archive = try await ZipArchive.make(of: content.file, content.entries)
        try await expectAll(of: content.users)
        try await save(archive.file, length: archive.length, of: export)
        await failpoints.reach(.exportStored)
        try await expectAll(of: content.users)
        try await finish(export, length: archive.length, users: content.users, keepHours: keepHours)
    }

    /// Throws `ErasedMeanwhile` if any of the users was erased.
    private func expectAll(of users: MemberSet) async throws {
        guard try await within(.seconds(30)).stores.audience.areAllThere(users) else {
            throw ErasedMeanwhile()
        }
    }

    /// Returns the export to the queue, for any server to restart, and deletes its stored chunks.
    private func giveBack(_ export: ClaimedExport) async throws {
        try await within(.seconds(30)).transaction { transaction in
            try transaction.renewLease(of: export)
            try transaction.execute(
                """
                UPDATE segment_export SET state = 'waiting', lease_until = NULL
                WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
                """)
            try transaction.pruneChunks(of: export)
        }
    }

    /// The members at one moment.
    private func members(of export: ClaimedExport) async throws -> MemberSet {
        let audience = within(.seconds(60)).stores.audience
        let proved = try await audience.read(.segments([export.segmentID]))
        return proved.evaluations.first?.members() ?? []
    }

    private func save(_ file: TemporaryFile, length: Int, of export: ClaimedExport) async throws {
        for (chunk, start) in stride(from: 0, to: length, by: ExportArchive.chunkBytes).enumerated() {
            let bytes = try file.read(min(ExportArchive.chunkBytes, length - start), at: start)
            try await within(.seconds(30)).transaction { transaction in
                try transaction.renewLease(of: export)
                try transaction.execute(
                    """
                    INSERT INTO export_chunk (workspace_id, export_id, chunk, bytes)
                    VALUES (\(workspace), \(export.exportID), \(Int32(clamping: chunk)), \(bytes))
                    """)
            }
        }
    }

    private func finish(_ export: ClaimedExport, length: Int, users: MemberSet, keepHours: Int) async throws {
        let expires = Instant.now + .hours(keepHours)
        try await within(.seconds(30)).transaction { transaction in
            try transaction.renewLease(of: export)
            let set = try transaction.insertListing(users, expires: expires)
            try transaction.execute(
                """
                UPDATE segment_export SET state = 'done', lease_until = NULL, expires_at = \(expires),
                    byte_count = \(Int64(length)), user_set = \(set)
                WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
                """)
        }
    }

    private func fail(_ export: ClaimedExport, keepHours: Int) async throws {
        try await within(.seconds(30)).transaction { transaction in
            try transaction.renewLease(of: export)
            try transaction.execute(
                """
                UPDATE segment_export SET state = 'failed', lease_until = NULL,
                    expires_at = \(Instant.now + .hours(keepHours))
                WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
                """)
            try transaction.pruneChunks(of: export)
        }
    }
}

private struct TooManyAttempts: Error {}

/// A user in the archive was erased while the archive was made.
private struct ErasedMeanwhile: Error {}

import MusterProtocol
import MusterSets
import Postgres

/// An archive that can be fetched, in chunks.
public struct ExportArchive: Sendable {
    /// Bytes in every chunk but the last: what one download holds in memory.
    public static let chunkBytes = 1 << 20

    public let workspace: WorkspaceID
    public let exportID: String
    /// In bytes.
    public let length: Int
    /// How many chunks there are.
    public var chunkCount: Int { (length + Self.chunkBytes - 1) / Self.chunkBytes }
}

/// What is at the address of an archive.
public enum ExportFinding: Sendable {
    /// Nothing, or nothing any more.
    case none
    /// An export that waits or runs.
    case unfinished
    /// An export that failed.
    case failed
    /// An archive with somebody in it who was erased since.
    case outdated
    case ready(ExportArchive)
}

extension Store {
    /// The export whose token has this digest.
    public func exportArchive(
        digest: [UInt8], in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> ExportFinding {
        let found = try await read(
            in: workspace, deadline: deadline,
            """
            SELECT state, export_id, byte_count, user_set FROM segment_export
            WHERE workspace_id = \(workspace) AND token_digest = \(digest)
                AND (expires_at IS NULL OR expires_at > \(Instant.now))
            """
        ) { row in
            (
                state: try row.value(0, as: String.self), exportID: try row.value(1, as: String.self),
                length: try row.value(2, as: Int64?.self), users: try row.value(3, as: Int32?.self)
            )
        }.first
        switch found?.state {
        case "waiting", "running": return .unfinished
        case "failed": return .failed
        case "done":
            guard let found, let length = found.length, let users = found.users else { return .none }
            guard try await areAllThere(users, in: workspace, deadline: deadline) else { return .outdated }
            return .ready(ExportArchive(workspace: workspace, exportID: found.exportID, length: Int(length)))
        default: return .none
        }
    }

    /// A chunk of an archive, counted from 0; nil where the archive has gone meanwhile.
    public func chunk(
        _ number: Int, of archive: ExportArchive, deadline: ContinuousClock.Instant
    ) async throws -> [UInt8]? {
        try await read(
            in: archive.workspace, deadline: deadline,
            """
            SELECT bytes FROM export_chunk WHERE workspace_id = \(archive.workspace)
                AND export_id = \(archive.exportID) AND chunk = \(Int32(clamping: number))
            """
        ) { row in try row.value(0, as: [UInt8].self) }.first
    }

    /// Whether nobody of a stored listing was erased since. Those who were merged are there as the kept user.
    private func areAllThere(
        _ listing: Int32, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        let members = try await storedListing(listing, in: workspace, deadline: deadline)
        let scope = LookScope(cohorts: [], segments: [], attributes: [])
        let everyone = try await lookout(of: workspace).look(LookRequest(scope: scope), deadline: deadline).everyone
            .members
        let gone = members.subtracting(everyone)
        guard !gone.isEmpty else { return true }
        let kept = try await keptNumbers(of: Array(gone), in: workspace, deadline: deadline)
        return kept.count == gone.count && kept.allSatisfy(everyone.contains)
    }

    private func keptNumbers(
        of merged: [UInt32], in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> [UInt32] {
        try await read(
            in: workspace, deadline: deadline,
            """
            SELECT kept_number FROM merged_user
            WHERE workspace_id = \(workspace) AND merged_number = ANY (\(merged.map(Int32.init(clamping:))))
            """
        ) { row in UInt32(clamping: try row.value(0, as: Int32.self)) }
    }
}

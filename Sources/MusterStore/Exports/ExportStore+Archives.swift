public import MusterProtocol
import MusterSets
import Postgres

/// An archive that can be fetched, in chunks.
public struct ExportArchive: Sendable {
    /// Bytes in every chunk but the last: one download holds this much in memory.
    public static let chunkBytes = 1 << 20

    public let workspace: WorkspaceID
    public let exportID: String
    /// In bytes.
    public let length: Int
    /// The number of chunks.
    public var chunkCount: Int { (length + Self.chunkBytes - 1) / Self.chunkBytes }
}

/// The current state of an export.
public struct StoredExport: Sendable {
    public let workspace: WorkspaceID
    public let exportID: String
    public let segmentID: Identifier
    public let state: ExportState
    public let createdAt: Instant
    /// How many times a server has claimed it.
    public let attempts: Int
    /// The length of its archive, once it is done.
    public let byteCount: Int?
    /// Nil while it waits or runs.
    public let expiresAt: Instant?

    /// Its archive; nil if there is none to download.
    public var archive: ExportArchive? {
        guard state == .done, let byteCount else { return nil }
        return ExportArchive(workspace: workspace, exportID: exportID, length: byteCount)
    }
}

/// How to look an export up.
public enum ExportSelection: Sendable {
    /// By its public name.
    case named(Identifier)
    /// By SHA-256 of the token in its archive's address.
    case tokenDigest([UInt8])
}

extension ExportStore {
    /// An export; nil if it does not exist (any more).
    public func get(_ selection: ExportSelection) async throws -> StoredExport? {
        guard let row = try await self.row(selection) else { return nil }
        var state = row.state
        if row.outdatedAt != nil {
            state = .outdated
        } else if let expires = row.expiresAt, expires <= .now, state == .done {
            state = .expired
        } else if state == .done, let users = row.users {
            let members = try await stores.audience.storedListing(users)
            let isWhole = try await stores.audience.areAllThere(members)
            state = isWhole ? .done : .outdated
        }
        return StoredExport(
            workspace: workspace, exportID: row.exportID, segmentID: row.segmentID, state: state,
            createdAt: row.createdAt, attempts: Int(row.attempts), byteCount: row.byteCount.map { Int($0) },
            expiresAt: row.expiresAt)
    }

    private func row(_ selection: ExportSelection) async throws -> ExportRow? {
        var query: SQL = """
            SELECT export_id, segment_id, state, created_at, attempt, byte_count, expires_at, user_set, outdated_at
            FROM segment_export WHERE workspace_id = \(workspace)
            """
        switch selection {
        case .named(let name): query += " AND export_id = \(name)"
        case .tokenDigest(let digest): query += " AND token_digest = \(digest)"
        }
        return try await read(query) { row in try ExportRow(row) }.first
    }

    /// A chunk of an archive, counted from 0; nil if the archive was deleted meanwhile.
    public func chunk(_ number: Int, of archive: ExportArchive) async throws -> [UInt8]? {
        try await read(
            """
            SELECT bytes FROM export_chunk WHERE workspace_id = \(workspace)
                AND export_id = \(archive.exportID) AND chunk = \(Int32(clamping: number))
            """
        ) { row in try row.value(0, as: [UInt8].self) }.first
    }
}

/// A row of `segment_export`.
private struct ExportRow: Sendable {
    let exportID: String
    let segmentID: Identifier
    let state: ExportState
    let createdAt: Instant
    let attempts: Int32
    let byteCount: Int64?
    let expiresAt: Instant?
    /// The stored listing of the users in the archive.
    let users: Int32?
    /// When the archive was deleted because a user in it had been erased.
    let outdatedAt: Instant?

    /// From `export_id, segment_id, state, created_at, attempt, byte_count, expires_at, user_set, outdated_at`.
    init(_ row: borrowing Row) throws {
        (exportID, segmentID) = (try row.value(0), try row.value(1))
        guard let state = ExportState(rawValue: try row.value(2)) else {
            throw PostgresError(.decoding, "an export has a state that is none")
        }
        self.state = state
        (createdAt, attempts, byteCount) = (try row.value(3), try row.value(4), try row.value(5))
        (expiresAt, users, outdatedAt) = (try row.value(6), try row.value(7), try row.value(8))
    }
}

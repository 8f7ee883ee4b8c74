import Cryptography
public import MusterProtocol
public import MusterStore

/// The secret part of an archive's address: the number of its workspace, 43 characters for 256 bits, and a checksum of
/// 6 characters. The checksum rejects most invalid tokens without a look-up.
///
/// The bits are derived from the export's name and the workspace's key: a repeated request gets the same address,
/// though only a digest of it is stored.
public struct ExportToken: Sendable {
    public let workspace: WorkspaceID
    private let text: String

    /// Makes the token of an export.
    ///
    /// - Parameter key: the workspace's key, which also seals its page tokens.
    init(of exportID: String, in workspace: WorkspaceID, key: [UInt8]) throws {
        self.workspace = workspace
        let bits = try HKDF.key(from: key, info: Array("address of the export \(exportID)".utf8), byteCount: 32)
        let secret = Self.prefix(workspace) + Secret.digits(of: bits)
        text = String(decoding: Secret.withChecksum(secret), as: UTF8.self)
    }

    /// Parses a token; nil if it is malformed.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 80, let number = Int32(text.prefix { $0 != "-" }), number > 0 else { return nil }
        workspace = WorkspaceID(rawValue: number)
        guard Secret.isWellFormed(bytes, after: Self.prefix(workspace)) else { return nil }
        self.text = text
    }

    /// The stored form of the token.
    public var digest: [UInt8] { get throws { try Secret.digest(of: text) } }

    /// The path of the archive on the REST endpoint of any server.
    var path: String { "/exports/\(text).zip" }

    private static func prefix(_ workspace: WorkspaceID) -> [UInt8] { Array("\(workspace.rawValue)-".utf8) }
}

extension ExportToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never contains the token.
    public var description: String { "‹export token›" }
    /// Never contains the token.
    public var debugDescription: String { description }
    /// Never contains the token.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Serves archives to any caller that knows their address.
public struct ExportArchives: Sendable {
    private let store: Store

    /// Serves the archives of this store.
    public init(store: Store) { self.store = store }

    /// The state of the export whose archive has this address, and the archive if there is one to download. Throws
    /// NOT_FOUND if the export doesn't exist (any more).
    public func export(
        _ token: String, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> (state: ExportState, archive: ArchiveDownload?) {
        guard let token = ExportToken(token) else { throw ArchiveDownload.nothing }
        do {
            let found = try await store.in(WorkspaceScope(token.workspace, deadline: deadline)).exports
                .get(.tokenDigest(try token.digest))
            guard let found else { throw ArchiveDownload.nothing }
            return (found.state, found.archive.map { ArchiveDownload(archive: $0, store: store) })
        } catch {
            throw RPCError(handling: error)
        }
    }
}

/// An archive that a caller downloads, chunk by chunk.
public struct ArchiveDownload: Sendable {
    /// The longest time for the look-up of one chunk.
    private static let patience = Duration.seconds(10)
    /// Bytes in every chunk but the last.
    public static let chunkBytes = ExportArchive.chunkBytes
    fileprivate static let nothing = RPCError(
        .notFound, .unknownExport, "there is no export here, or none any more")

    fileprivate let archive: ExportArchive
    fileprivate let store: Store

    /// The public name of the export.
    public var exportID: String { archive.exportID }
    /// In bytes.
    public var length: Int { archive.length }
    /// The number of chunks.
    public var chunkCount: Int { archive.chunkCount }

    /// A chunk, counted from 0. Throws if the archive was deleted meanwhile.
    public func chunk(_ number: Int) async throws(RPCError) -> [UInt8] {
        do {
            let scope = WorkspaceScope(archive.workspace, deadline: .now + Self.patience)
            guard let chunk = try await store.in(scope).exports.chunk(number, of: archive) else { throw Self.nothing }
            return chunk
        } catch {
            throw RPCError(handling: error)
        }
    }
}

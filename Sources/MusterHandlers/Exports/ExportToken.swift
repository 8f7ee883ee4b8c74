import Cryptography
public import MusterProtocol
public import MusterStore

/// The secret part of an archive's address: the number of its workspace, 43 characters that stand for 256 bits and 6 of
/// checksum, so that what nobody was given is mostly refused without a look-up.
///
/// The bits come from the export's name and the workspace's key, so that a repeated request gets the same address
/// though only a digest of it is stored.
public struct ExportToken: Sendable {
    public let workspace: WorkspaceID
    private let text: String

    /// That of an export.
    ///
    /// - Parameter key: the workspace's, which seals its page tokens.
    init(of exportID: String, in workspace: WorkspaceID, key: [UInt8]) throws {
        self.workspace = workspace
        let bits = try HKDF.key(from: key, info: Array("address of the export \(exportID)".utf8), byteCount: 32)
        let secret = Self.prefix(workspace) + Secret.digits(of: bits)
        text = String(decoding: Secret.withChecksum(secret), as: UTF8.self)
    }

    /// Reads one. Nil for what can't be one.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 80, let number = Int32(text.prefix { $0 != "-" }), number > 0 else { return nil }
        workspace = WorkspaceID(rawValue: number)
        guard Secret.isWellFormed(bytes, after: Self.prefix(workspace)) else { return nil }
        self.text = text
    }

    /// What is stored of it.
    public var digest: [UInt8] { get throws { try Secret.digest(of: text) } }

    /// Where its archive is, on the REST endpoint of any server.
    var path: String { "/exports/\(text).zip" }

    private static func prefix(_ workspace: WorkspaceID) -> [UInt8] { Array("\(workspace.rawValue)-".utf8) }
}

extension ExportToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the token.
    public var description: String { "‹export token›" }
    /// Never the token.
    public var debugDescription: String { description }
    /// Never the token.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Gives out archives to whoever knows where they are.
public struct ExportArchives: Sendable {
    /// How long the look-up of one chunk may take.
    private static let patience = Duration.seconds(10)

    private let store: Store

    /// The archives of this store.
    public init(store: Store) { self.store = store }

    /// The export whose archive is at this address. Throws NOT_FOUND where none is, or none any more.
    public func export(_ token: String, deadline: ContinuousClock.Instant) async throws(RPCError) -> StoredExport {
        guard let token = ExportToken(token) else { throw Self.nothing }
        do {
            let found = try await store.in(WorkspaceScope(token.workspace, deadline: deadline)).exports
                .get(.tokenDigest(try token.digest))
            guard let found else { throw Self.nothing }
            return found
        } catch {
            throw RPCError(handling: error)
        }
    }

    /// A chunk of an archive, counted from 0. Throws where the archive has gone meanwhile.
    public func chunk(_ number: Int, of archive: ExportArchive) async throws(RPCError) -> [UInt8] {
        do {
            let scope = WorkspaceScope(archive.workspace, deadline: .now + Self.patience)
            guard let chunk = try await store.in(scope).exports.chunk(number, of: archive) else {
                throw Self.nothing
            }
            return chunk
        } catch {
            throw RPCError(handling: error)
        }
    }

    private static let nothing = RPCError(.notFound, .unknownExport, "there is no export here, or none any more")
}

public import MusterProtocol
import Postgres

/// A key to store: everything but its secret, of which only the digest is kept.
public struct NewKey: Sendable {
    public var keyID: String
    /// SHA-256 of the secret.
    public var digest: [UInt8]
    public var kind: KeyKind
    public var partner: String?
    public var name: String
    public var scopes: [String]
    public var createdAt: Instant
    /// The key that created it; nil for the first key of a workspace.
    public var createdBy: String?
    public var expiresAt: Instant?

    /// Creates a key to store.
    public init(
        keyID: String, digest: [UInt8], kind: KeyKind, partner: String? = nil, name: String, scopes: [String],
        createdAt: Instant, createdBy: String? = nil, expiresAt: Instant? = nil
    ) {
        self.keyID = keyID
        self.digest = digest
        self.kind = kind
        self.partner = partner
        self.name = name
        self.scopes = scopes
        self.createdAt = createdAt
        self.createdBy = createdBy
        self.expiresAt = expiresAt
    }
}

/// The result of invalidating a key.
public enum KeyInvalidation: Sendable, Equatable {
    /// When the key was invalidated.
    case ended(Instant)
    /// The key does not exist.
    case notThere
    /// The key has scope `*` and outlasts all others with it: it stays valid.
    case isLastMaster
}

/// A stored key, with the name of its workspace.
public struct StoredKey: Sendable {
    public let workspace: String
    public let digest: [UInt8]
    public let info: KeyInfo
}

/// The keys of a workspace.
public struct KeyStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Stores a key. Creates the partner of a data import key if it does not exist.
    public func insert(_ key: NewKey) async throws {
        try await transaction { transaction in
            if let partner = key.partner {
                try transaction.execute(
                    """
                    INSERT INTO partner (workspace_id, partner, display_name, created_at)
                    VALUES (\(workspace), \(partner), \(partner), \(key.createdAt))
                    ON CONFLICT DO NOTHING
                    """)
            }
            try transaction.insert(key)
        }
    }

    /// The key with this digest, valid or not; nil if the workspace or the key doesn't exist.
    public func find(digest: [UInt8]) async throws -> StoredKey? {
        try await read(
            isUrgent: true,
            """
            SELECT key_id, kind, partner, api_key.name, scopes, api_key.created_at, expires_at, invalidated_at,
                last_used_at, workspace.name, digest
            FROM api_key JOIN workspace USING (workspace_id)
            WHERE workspace_id = \(workspace) AND digest = \(digest)
            """
        ) { row in
            StoredKey(workspace: try row.value(9), digest: try row.value(10), info: try KeyInfo(row))
        }.first
    }

    /// The keys of the workspace, or of one partner, oldest first: at most `limit`, after the key `after`.
    public func list(of partner: String?, after: String?, limit: Int) async throws -> [KeyInfo] {
        try await read(
            """
            SELECT key_id, kind, partner, name, scopes, created_at, expires_at, invalidated_at, last_used_at
            FROM api_key
            WHERE workspace_id = \(workspace) AND (\(partner) IS NULL OR partner = \(partner))
                AND (\(after) IS NULL OR (created_at, key_id) > (
                    SELECT created_at, key_id FROM api_key WHERE workspace_id = \(workspace) AND key_id = \(after)))
            ORDER BY created_at, key_id
            LIMIT \(limit)
            """
        ) { row in try KeyInfo(row) }
    }

    /// The keys of a partner that are valid at `moment`, oldest first; the newest ones if there are more than `limit`.
    public func live(of partner: String, at moment: Instant, limit: Int) async throws -> [KeyInfo] {
        try await read(
            """
            SELECT key_id, kind, partner, name, scopes, created_at, expires_at, invalidated_at, last_used_at
            FROM api_key
            WHERE workspace_id = \(workspace) AND partner = \(partner) AND invalidated_at IS NULL
                AND (expires_at IS NULL OR expires_at > \(moment))
            ORDER BY created_at DESC, key_id DESC
            LIMIT \(limit)
            """
        ) { row in try KeyInfo(row) }.reversed()
    }

    /// Invalidates a key permanently: a second call changes nothing.
    ///
    /// - Parameter force: whether the workspace may lose its last key with scope `*`.
    public func invalidate(_ keyID: String, force: Bool, at moment: Instant) async throws -> KeyInvalidation {
        try await transaction { transaction in
            if !force, try transaction.isLastMaster(keyID, at: moment) { return .isLastMaster }
            let ended: Instant? = try transaction.first(
                """
                UPDATE api_key SET invalidated_at = coalesce(invalidated_at, \(moment))
                WHERE workspace_id = \(workspace) AND key_id = \(keyID)
                RETURNING invalidated_at
                """
            ) { row in try row.value(0) }
            return ended.map(KeyInvalidation.ended) ?? .notThere
        }
    }

    /// The keys among these that exist and are not invalidated. Expiry is not checked: a session knows its own.
    public func live(among keyIDs: [String]) async throws -> Set<String> {
        let live: [String] = try await read(
            isUrgent: true,
            """
            SELECT key_id FROM api_key
            WHERE workspace_id = \(workspace) AND key_id = ANY(\(keyIDs)) AND invalidated_at IS NULL
            """
        ) { row in try row.value(0) }
        return Set(live)
    }

    /// Records that keys were used in the hour that begins at `hour`. A row is written at most once an hour.
    public func recordUse(of keyIDs: [String], hour: Instant) async throws {
        try await transaction { transaction in
            // Sorted by id, so that two servers that update the same keys never deadlock.
            try transaction.execute(
                """
                UPDATE api_key SET last_used_at = \(hour)
                FROM (
                    SELECT key_id FROM api_key
                    WHERE workspace_id = \(workspace) AND key_id = ANY(\(keyIDs))
                        AND (last_used_at IS NULL OR last_used_at < \(hour))
                    ORDER BY key_id FOR NO KEY UPDATE
                ) AS used
                WHERE workspace_id = \(workspace) AND api_key.key_id = used.key_id
                """)
        }
    }
}

extension WorkspaceStore {
    /// The keys of the workspace.
    public var keys: KeyStore { KeyStore(store: store, scope: scope) }
}

extension WorkspaceTransaction {
    /// Whether this valid key has the scope `*` and no other such key lives at least as long. A key that expires
    /// earlier does not count: after the last one expires, no key can grant `*` to a new key.
    ///
    /// The rows stay locked until the transaction ends: if two keys invalidate each other at the same time, the second
    /// transaction waits and finds only one key left.
    fileprivate borrowing func isLastMaster(_ keyID: String, at moment: Instant) throws -> Bool {
        let masters = try query(
            """
            SELECT key_id, expires_at FROM api_key
            WHERE workspace_id = \(workspace) AND kind = 'service' AND '*' = ANY(scopes) AND invalidated_at IS NULL
                AND (expires_at IS NULL OR expires_at > \(moment))
            ORDER BY key_id FOR NO KEY UPDATE
            """
        ) { row in (keyID: try row.value(0, as: String.self), expiresAt: try row.value(1, as: Instant?.self)) }
        guard let ending = masters.first(where: { $0.keyID == keyID }) else { return false }
        return !masters.contains { other in
            guard other.keyID != keyID else { return false }
            guard let end = other.expiresAt else { return true }
            return ending.expiresAt.map { $0 <= end } ?? false
        }
    }

    /// Inserts the row of a key; the caller's transaction checks everything else.
    borrowing func insert(_ key: NewKey) throws {
        try execute(
            """
            INSERT INTO api_key (
                workspace_id, key_id, digest, kind, partner, name, scopes, created_at, created_by, expires_at)
            VALUES (
                \(workspace), \(key.keyID), \(key.digest), \(key.kind.rawValue), \(key.partner), \(key.name),
                \(key.scopes), \(key.createdAt), \(key.createdBy), \(key.expiresAt))
            """)
    }
}

extension KeyInfo {
    /// From the first nine columns. The last use is stored as the start of its hour, which may be before the key's
    /// creation.
    init(_ row: borrowing Row) throws {
        let kind: String = try row.value(1)
        guard let kind = KeyKind(rawValue: kind) else { throw PostgresError(.decoding, "a key of unknown kind") }
        let (createdAt, usedHour): (Instant, Instant?) = (try row.value(5), try row.value(8))
        self.init(
            keyID: try row.value(0), kind: kind, partner: try row.value(2), name: try row.value(3),
            scopes: try row.value(4), createdAt: createdAt, expiresAt: try row.value(6),
            invalidatedAt: try row.value(7), lastUsedAt: usedHour.map { max($0, createdAt) })
    }
}

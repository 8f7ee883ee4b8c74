public import MusterProtocol
public import MusterStore

/// The identity of a caller, proved by `session.open`. `KeyRevocationMonitor` tells whether the key is still live.
///
/// A class, so that each call of a connection refers to the one session instead of a copy.
public final class Session: Sendable, Equatable {
    public let workspaceID: WorkspaceID
    public let workspace: String
    /// The key's public id, for logs.
    public let keyID: String
    public let kind: KeyKind
    /// The partner of a data import key.
    public let partner: String?
    public let scopes: [String]
    public let expiresAt: Instant?
    /// For each method whether the key may call it, by its index.
    private let permissions: [Bool]
    /// Its key, as it is watched by the monitor of the server that opened the session.
    let watchedKey: WatchedKey?

    public convenience init(
        workspaceID: WorkspaceID, workspace: String, keyID: String, kind: KeyKind, partner: String?, scopes: [String],
        expiresAt: Instant?
    ) {
        self.init(
            workspaceID: workspaceID, workspace: workspace, keyID: keyID, kind: kind, partner: partner, scopes: scopes,
            expiresAt: expiresAt, watchedKey: nil)
    }

    init(
        workspaceID: WorkspaceID, workspace: String, keyID: String, kind: KeyKind, partner: String?, scopes: [String],
        expiresAt: Instant?, watchedKey: WatchedKey?
    ) {
        self.watchedKey = watchedKey
        self.workspaceID = workspaceID
        self.workspace = workspace
        self.keyID = keyID
        self.kind = kind
        self.partner = partner
        self.scopes = scopes
        self.expiresAt = expiresAt
        permissions = MethodIndex.names.map { Scope.cover(scopes, $0) }
    }

    public static func == (a: Session, b: Session) -> Bool {
        a === b
            || a.key == b.key && a.workspace == b.workspace && a.kind == b.kind && a.partner == b.partner
                && a.scopes == b.scopes && a.expiresAt == b.expiresAt
    }

    /// Identifies the key among all keys.
    public var key: KeyReference { KeyReference(workspaceID: workspaceID, keyID: keyID) }

    /// Whether the key may make this call, or all calls that one of Braze's permissions stands for.
    public func allows(_ method: String) -> Bool { Scope.cover(scopes, method) }

    /// The same for the method of a call, from memory.
    func allows(_ method: String, _ index: MethodIndex) -> Bool {
        index.isOther ? allows(method) : permissions[index.value]
    }
}

/// Identifies one key among those of all workspaces.
public struct KeyReference: Hashable, Sendable {
    let workspaceID: WorkspaceID
    let keyID: String
}

public import MusterProtocol
public import MusterStore

/// The identity of a caller, proved by `session.open`. `KeyRevocationMonitor` tells whether the key is still live.
public struct Session: Sendable, Equatable {
    public let workspaceID: WorkspaceID
    public let workspace: String
    /// The key's public id, for logs.
    public let keyID: String
    public let kind: KeyKind
    /// The partner of a data import key.
    public let partner: String?
    public let scopes: [String]
    public let expiresAt: Instant?

    public init(
        workspaceID: WorkspaceID, workspace: String, keyID: String, kind: KeyKind, partner: String?, scopes: [String],
        expiresAt: Instant?
    ) {
        self.workspaceID = workspaceID
        self.workspace = workspace
        self.keyID = keyID
        self.kind = kind
        self.partner = partner
        self.scopes = scopes
        self.expiresAt = expiresAt
    }

    /// Identifies the key among all keys.
    public var key: KeyReference { KeyReference(workspaceID: workspaceID, keyID: keyID) }

    /// Whether the key may make this call, or all calls that one of Braze's permissions stands for.
    public func allows(_ method: String) -> Bool { Scope.cover(scopes, method) }
}

/// Identifies one key among those of all workspaces.
public struct KeyReference: Hashable, Sendable {
    let workspaceID: WorkspaceID
    let keyID: String
}

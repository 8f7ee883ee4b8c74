import MusterProtocol
public import MusterStore
import Postgres

/// A workspace that was just made, with the secret of its first key.
public struct NewWorkspace: Sendable {
    public let id: WorkspaceID
    public let keyID: String
    /// May do everything in the workspace.
    public let adminKey: Secret

    /// Makes a workspace and its admin key, as the owner of the tables.
    public static func make(
        name: String, with schema: Schema, deadline: ContinuousClock.Instant
    ) async throws -> NewWorkspace {
        try check(name: name, "the name of the workspace")
        let keyID = Secret.newKeyID()
        let made = Locked<Secret?>(nil)
        let id = try await schema.createWorkspace(name: name, at: .now, deadline: deadline) { workspace in
            let secret = Secret(.service, in: workspace)
            made.withLock { $0 = secret }
            return NewKey(
                keyID: keyID, digest: secret.digest, kind: .service, name: "admin", scopes: ["*"], createdAt: .now)
        }
        guard let id, let secret = made.withLock({ $0 }) else {
            throw RPCError(.alreadyExists, .alreadyExists, "there is already a workspace of this name: choose another")
        }
        return NewWorkspace(id: id, keyID: keyID, adminKey: secret)
    }
}

/// A service key that was just made by the owner of the tables, with its secret.
public struct OwnersKey: Sendable {
    public let keyID: String
    public let scopes: [String]
    public let secret: Secret

    /// Makes a key in the workspace of this name, without a key that could ask for it.
    public static func make(
        name: String, scopes: [String], workspace: String, with schema: Schema, deadline: ContinuousClock.Instant
    ) async throws -> OwnersKey {
        try check(name: name, "the name of the key")
        let scopes = try Scope.checked(scopes)
        let keyID = Secret.newKeyID()
        let made = Locked<Secret?>(nil)
        let id = try await schema.createKey(inWorkspaceNamed: workspace, deadline: deadline) { workspace in
            let secret = Secret(.service, in: workspace)
            made.withLock { $0 = secret }
            return NewKey(
                keyID: keyID, digest: secret.digest, kind: .service, name: name, scopes: scopes, createdAt: .now)
        }
        guard id != nil, let secret = made.withLock({ $0 }) else {
            throw RPCError(
                .notFound, .unknownValue,
                "there is no workspace \(workspace): `muster-server workspace list` shows those there are")
        }
        return OwnersKey(keyID: keyID, scopes: scopes, secret: secret)
    }
}

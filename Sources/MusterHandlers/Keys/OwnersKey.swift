import Locking
import MusterProtocol
public import MusterStore

/// A service key newly created by the owner of the tables, with its secret.
public struct OwnersKey: Sendable {
    public let keyID: String
    public let scopes: [String]
    public let secret: Secret

    /// Creates a key in the named workspace, without authentication by another key.
    public static func make(
        name: String, scopes: [String], workspace: String, with schema: Schema, deadline: ContinuousClock.Instant
    ) async throws -> OwnersKey {
        try check(name: name, "name")
        let maker = ServiceKeyMaker(name: name, scopes: try Scope.checked(scopes))
        let id = try await schema.createKey(
            inWorkspaceNamed: workspace, deadline: deadline, make: { try maker.key(in: $0) })
        guard id != nil, let secret = maker.secret else {
            throw RPCError(
                .notFound, .unknownValue, field: "workspace",
                "there is no workspace \(workspace): `muster-server workspace list` shows those there are")
        }
        return OwnersKey(keyID: maker.keyID, scopes: maker.scopes, secret: secret)
    }
}

/// Makes a service key inside the transaction that stores it: only there the workspace is known.
final class ServiceKeyMaker: Sendable {
    let keyID = Secret.newKeyID()
    let name: String
    let scopes: [String]
    private let made = Locked<Secret?>(nil)

    init(name: String, scopes: [String]) { (self.name, self.scopes) = (name, scopes) }

    /// The secret of the last key made.
    var secret: Secret? { made.withLock { $0 } }

    func key(in workspace: WorkspaceID) throws -> NewKey {
        let secret = Secret(.service, in: workspace)
        made.withLock { $0 = secret }
        return NewKey(
            keyID: keyID, digest: try secret.digest, kind: .service, name: name, scopes: scopes, createdAt: .now)
    }
}

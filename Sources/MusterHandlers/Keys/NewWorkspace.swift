import MusterProtocol
public import MusterStore

/// A newly created workspace, with the secret of its first key.
public struct NewWorkspace: Sendable {
    public let id: WorkspaceID
    public let keyID: String
    /// The key that may do everything in the workspace.
    public let adminKey: Secret

    /// Creates a workspace and its admin key, as the owner of the tables.
    public static func make(
        name: String, with schema: Schema, deadline: ContinuousClock.Instant
    ) async throws -> NewWorkspace {
        try check(name: name, "name")
        let maker = ServiceKeyMaker(name: "admin", scopes: ["*"])
        let id = try await schema.createWorkspace(name: name, at: .now, deadline: deadline) { try maker.key(in: $0) }
        guard let id, let secret = maker.secret else {
            throw RPCError(
                .alreadyExists, .alreadyExists, field: "name",
                "there is already a workspace of this name: choose another")
        }
        return NewWorkspace(id: id, keyID: maker.keyID, adminKey: secret)
    }
}

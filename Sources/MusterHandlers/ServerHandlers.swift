public import MusterProtocol
public import MusterStore

/// Says what the server is and how it does.
public struct ServerHandlers: Sendable {
    let schema: Schema
    let version: String
    let restURL: String?
    let isDraining: @Sendable () -> Bool

    /// - Parameters:
    ///   - version: of this build.
    ///   - restURL: where partners reach the REST endpoint.
    ///   - isDraining: whether the server is shutting down.
    public init(
        schema: Schema, version: String, restURL: String?, isDraining: @escaping @Sendable () -> Bool = { false }
    ) {
        self.schema = schema
        self.version = version
        self.restURL = restURL
        self.isDraining = isDraining
    }

    /// `server.health`
    public func health(_: GetHealth, _ context: CallContext) async throws -> GetHealth.Reply {
        do {
            try await schema.check(deadline: context.deadline)
        } catch let error as SchemaMismatch {
            throw RPCError(.unavailable, "the database has another schema than this server serves", cause: error)
        }
        return .init(status: isDraining() ? .draining : .serving)
    }

    /// `server.info`
    public func info(_: GetInfo, _ context: CallContext) async throws -> GetInfo.Reply {
        let facts = try await schema.facts(deadline: context.deadline)
        return .init(
            version: version, schemaVersion: try await schema.version(deadline: context.deadline),
            postgres: .init(
                version: facts.version, fsync: facts.fsync, synchronousCommit: facts.synchronousCommit,
                fullPageWrites: facts.fullPageWrites, durability: facts.weakSettings.isEmpty ? .full : .weak),
            restURL: restURL,
            limits: Limits.all.map { .init(name: $0.name, value: $0.value, unit: $0.unit, reason: $0.reason) })
    }
}

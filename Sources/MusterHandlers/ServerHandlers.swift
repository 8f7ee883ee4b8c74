public import MusterProtocol
public import MusterStore

/// Describes the server and its health.
public struct ServerHandlers: Sendable {
    let schema: Schema
    let identity: ServerIdentity

    /// Makes the handlers of a server over the database of this schema.
    public init(schema: Schema, identity: ServerIdentity) {
        self.schema = schema
        self.identity = identity
    }

    /// `server.health`
    public func health(_: GetHealth, _ context: CallContext) async throws -> GetHealth.Reply {
        do {
            try await schema.check(deadline: context.deadline)
        } catch let error as SchemaMismatch {
            throw RPCError(.unavailable, "the database has another schema than this server serves", cause: error)
        } catch let error as AccessProblem {
            throw RPCError(
                .unavailable, "the server may not read its database: its log tells what is missing", cause: error)
        }
        return .init(status: identity.isDraining() ? .draining : .serving)
    }

    /// `server.info`
    public func info(_ call: GetInfo, _ context: CallContext) async throws -> GetInfo.Reply {
        let facts = try await schema.facts(deadline: context.deadline)
        return .init(
            version: identity.version, schemaVersion: try await schema.version(deadline: context.deadline),
            postgres: .init(
                version: facts.version, fsync: facts.fsync, synchronousCommit: facts.synchronousCommit,
                fullPageWrites: facts.fullPageWrites, durability: facts.weakSettings.isEmpty ? .full : .weak),
            restURL: identity.restURL,
            limits: identity.limits.map { .init(name: $0.name, value: $0.value, unit: $0.unit, reason: $0.reason) },
            methods: call.withMethods == true ? try Self.methods.get() : nil)
    }

    /// The calls that this program knows. They don't change while it runs.
    private static let methods = Result {
        try allCalls.map { call in GetInfo.MethodInfo(method: call.method, fields: try call.fieldPaths()) }
    }
}

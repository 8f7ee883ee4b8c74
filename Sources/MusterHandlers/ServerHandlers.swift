public import MusterProtocol
public import MusterStore
import Postgres

/// Describes the server and its health.
public struct ServerHandlers: Sendable {
    private let identity: ServerIdentity
    private let limits: [GetInfo.LimitInfo]
    private let check: RecentValue<Void>
    private let facts: RecentValue<(version: Int, postgres: GetInfo.PostgresInfo)>

    /// Makes the handlers of a server over the database of this schema.
    public init(schema: Schema, identity: ServerIdentity) {
        self.identity = identity
        limits = identity.limits.map { .init(name: $0.name, value: $0.value, unit: $0.unit, reason: $0.reason) }
        check = RecentValue { try await Self.soon { deadline in try await schema.check(deadline: deadline) } }
        facts = RecentValue {
            try await Self.soon { deadline in
                let facts = try await schema.facts(deadline: deadline)
                return (try await schema.version(deadline: deadline), GetInfo.PostgresInfo(facts))
            }
        }
    }

    /// `server.health`. Whether the server is draining is never from memory.
    public func health(
        _: GetHealth, _ context: CallContext, _ loop: any AnswerLoop,
        _ reply: @escaping @Sendable (Result<GetHealth.Reply, any Error>) -> Void
    ) {
        if check.recent(at: context.startedAt) != nil { return reply(.success(status)) }
        check.get(at: context.startedAt, on: loop) { result in
            switch result {
            case .success: reply(.success(status))
            case .failure(let error): reply(.failure(Self.described(error)))
            }
        }
    }

    private var status: GetHealth.Reply { .init(status: identity.isDraining() ? .draining : .serving) }

    private static func described(_ error: any Error) -> any Error {
        switch error {
        case let error as SchemaMismatch:
            RPCError(.unavailable, "the database has another schema than this server serves", cause: error)
        case let error as AccessProblem:
            RPCError(
                .unavailable, "the server may not read its database: its log tells what is missing", cause: error)
        default: error
        }
    }

    /// `server.info`
    public func info(
        _ call: GetInfo, _ context: CallContext, _ loop: any AnswerLoop,
        _ reply: @escaping @Sendable (Result<GetInfo.Reply, any Error>) -> Void
    ) {
        facts.get(at: context.startedAt, on: loop) { [identity, limits] facts in
            reply(
                Result {
                    let facts = try facts.get()
                    return .init(
                        version: identity.version, schemaVersion: facts.version, postgres: facts.postgres,
                        restURL: identity.restURL, limits: limits,
                        methods: call.withMethods == true ? try Self.methods.get() : nil)
                })
        }
    }

    /// The calls that this program knows. They don't change while it runs.
    private static let methods = Result {
        try allCalls.map { call in GetInfo.MethodInfo(method: call.method, fields: try call.fieldPaths()) }
    }

    /// Runs a query with a deadline of its own, since its result is for several callers.
    private static func soon<R>(_ read: (ContinuousClock.Instant) async throws -> R) async throws -> R {
        do { return try await read(.now + .seconds(3)) } catch let error as PostgresError
            where error.kind == .deadlineExceeded
        {
            throw RPCError(.unavailable, "the database doesn't answer in time; try again", cause: error)
        }
    }
}

extension GetInfo.PostgresInfo {
    fileprivate init(_ facts: ServerFacts) {
        self.init(
            version: facts.version, fsync: facts.fsync, synchronousCommit: facts.synchronousCommit,
            fullPageWrites: facts.fullPageWrites, durability: facts.weakSettings.isEmpty ? .full : .weak)
    }
}

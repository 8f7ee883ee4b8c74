public import Logging
public import MusterProtocol
public import MusterStore

/// The facts about a server that are not in its database.
public struct ServerIdentity: Sendable {
    public var version: String
    /// The address at which partners reach the REST endpoint.
    public var restURL: String?
    /// The limits of this server, as set.
    public var limits: [Limit]
    /// Whether the server is shutting down.
    public var isDraining: @Sendable () -> Bool

    /// Makes an identity. By default the server never drains.
    public init(
        version: String, restURL: String? = nil, limits: [Limit] = Limits.all,
        isDraining: @escaping @Sendable () -> Bool = { false }
    ) {
        self.version = version
        self.restURL = restURL
        self.limits = limits
        self.isDraining = isDraining
    }
}

extension CallRouter {
    /// Builds a router with all handlers over one store.
    public convenience init(
        store: Store, keys monitor: KeyRevocationMonitor, schema: Schema, identity: ServerIdentity,
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value, logger: Logger
    ) {
        let sessions = SessionHandlers(store: store, monitor: monitor)
        self.init(
            routes: allRoutes(
                server: ServerHandlers(schema: schema, identity: identity),
                keys: KeyHandlers(store: store), partners: PartnerHandlers(store: store, restURL: identity.restURL),
                users: UserHandlers(store: store),
                cohorts: CohortHandlers(store: store),
                segments: SegmentHandlers(store: store),
                exports: ExportHandlers(store: store, restURL: identity.restURL)),
            open: { call, deadline in try await sessions.open(call, deadline: deadline) },
            prove: { (session, now) throws(RPCError) in try monitor.proof(of: session, at: now) },
            nextProof: { (session, deadline) throws(RPCError) in
                try await monitor.nextProof(of: session, deadline: deadline)
            },
            hasEnded: { session in monitor.hasEnded(session) },
            overload: { scope in store.overload(of: scope) },
            lockWait: identity.limits.first { $0.name == Limits.lockWait.name } ?? Limits.lockWait,
            maxInFlightPerKey: maxInFlightPerKey, logger: logger)
    }
}

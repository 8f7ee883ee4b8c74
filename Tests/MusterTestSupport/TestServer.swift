public import Logging
public import MusterClient
public import MusterHandlers
import MusterListener
public import MusterProtocol
public import MusterREST
public import MusterRPC
public import MusterStore
import Postgres
public import TestSupport

/// A server in this process, on its own port and over its own workspace; clients connect over real sockets.
public final class TestServer: Sendable {
    public let store: Store
    public let rpc: RPCServer
    public let rest: RESTServer
    /// The methods that have a handler.
    public let methods: Set<String>
    public let workspace: NewWorkspace
    /// The connection string of the database, for a second server.
    public let databaseURL: String
    private let database: Database
    private let guarding: Task<Void, Never>
    private let answering: Task<Void, any Error>

    /// Starts a server over an existing workspace.
    public init(
        databaseURL: String, workspace: NewWorkspace, connections: Int = 4, cacheBytes: Int = 64 << 20,
        restRequestsPerHour: Int = 250_000, restServiceRequestsPerHour: Int = 3_600_000,
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value, logger: Logger = quietLogger
    ) async throws {
        self.databaseURL = databaseURL
        self.workspace = workspace
        var settings = DatabaseSettings.store(connectionString: databaseURL)
        settings.connections = connections
        database = Database(settings, logger: logger)
        store = Store(database: database, cacheBytes: cacheBytes, logger: logger)
        let keyGuard = KeyGuard(store: store, logger: logger)
        let router = CallRouter(
            store: store, keyGuard: keyGuard, schema: Schema(database: database),
            identity: ServerIdentity(version: "test", restURL: "https://rest.example"),
            maxInFlightPerKey: maxInFlightPerKey, logger: logger)
        let rpc = RPCServer(
            settings: RPCServerSettings(listener: .init(host: "127.0.0.1", port: 0, tls: nil, allowPlaintext: true)),
            router: router,
            logger: logger)
        (self.rpc, methods) = (rpc, router.methods)
        let rest = RESTServer(
            settings: RESTServerSettings(
                listener: .init(port: 0, allowPlaintext: true), requestsPerHour: restRequestsPerHour,
                serviceRequestsPerHour: restServiceRequestsPerHour),
            router: router, gate: PartnerGate(store: store), archives: ExportArchives(store: store),
            splitRequests: SplitRequests(store: store), logger: logger)
        self.rest = rest
        try await rpc.start()
        // Ends with `stop`.
        answering = Task { try await rest.run() }
        // Ends with `stop`, which the test calls; no one awaits it.
        guarding = Task { await keyGuard.run { isMeant in rpc.endSessions(where: isMeant) } }
    }

    /// A client with this key, or with the workspace's admin key.
    public func client(key: String? = nil, _ change: (inout MusterClientSettings) -> Void = { _ in }) -> MusterClient {
        var settings = MusterClientSettings(
            host: "127.0.0.1", port: rpc.boundPort ?? 0, key: key ?? workspace.adminKey.text, security: .plaintext)
        settings.deadline = .seconds(30)
        change(&settings)
        return MusterClient(settings, logger: quietLogger)
    }

    /// Aborts all connections and ends the server.
    public func stop() async {
        guarding.cancel()
        answering.cancel()
        await rpc.cutNow()
        _ = await answering.result
        await database.close()
    }
}

/// A server and a client with its admin key.
public struct MusterUnderTest: Sendable {
    public let server: TestServer
    public let client: MusterClient
    public let database: TestDatabase

    /// Makes a pair of a server and a client with its admin key.
    public init(server: TestServer, client: MusterClient, database: TestDatabase) {
        (self.server, self.client, self.database) = (server, client, database)
    }

    /// Sends a call with the admin key.
    public func send<C: Call>(_ call: C) async throws -> C.Reply { try await client.send(call) }

    /// Registers users with only an external id.
    public func register(_ externalIDs: [Identifier]) async throws {
        for start in stride(from: 0, to: externalIDs.count, by: 5_000) {
            let batch = externalIDs[start..<min(start + 5_000, externalIDs.count)]
            _ = try await send(UpsertUsers(users: batch.map { UserEntry(externalID: $0) }))
        }
    }

    /// Imports into a cohort of partner `tinyclues`.
    @discardableResult
    public func importCohort(
        _ cohortID: Identifier, adding: IdentifierList = [], removing: IdentifierList = [], requestID: Identifier? = nil
    ) async throws -> ImportCohort.Reply {
        var changes: [CohortChange] = []
        if !adding.isEmpty { changes.append(.adding(userIDs: adding)) }
        if !removing.isEmpty { changes.append(.removing(userIDs: removing)) }
        return try await send(
            ImportCohort(partner: "tinyclues", cohortID: cohortID, requestID: requestID, changes: changes))
    }

    /// The members of a filter by external id, from all pages.
    public func members(of filter: Filter, pageSize: Int? = nil) async throws -> [Identifier] {
        var members: [Identifier] = []
        for try await member in client.entries(of: ListSegmentMembers(filter: filter, pageSize: pageSize)) {
            if let id = member.externalID { members.append(id) }
        }
        return members
    }
}

/// Calls `body` with a server over a new database and workspace, with partner `tinyclues` and these users.
public func withMuster<R>(
    users: [Identifier] = [], maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value,
    _ body: (MusterUnderTest) async throws -> R
) async throws -> R {
    try await TestDatabase.with { database in
        let workspace = try await database.makeAdministered("test")
        let server = try await TestServer(
            databaseURL: database.serverURL, workspace: workspace, maxInFlightPerKey: maxInFlightPerKey)
        let muster = MusterUnderTest(server: server, client: server.client(), database: database)
        let result: Result<R, any Error>
        do {
            _ = try await muster.send(SetPartner(partner: "tinyclues"))
            if !users.isEmpty { try await muster.register(users) }
            result = .success(try await body(muster))
        } catch {
            result = .failure(error)
        }
        await muster.client.close()
        await server.stop()
        return try result.get()
    }
}

extension TestDatabase {
    /// Creates a workspace with a working admin key.
    public func makeAdministered(_ name: String) async throws -> NewWorkspace {
        try await Self.open(ownerURL, connections: 1) { database in
            try await NewWorkspace.make(name: name, with: Schema(database: database), deadline: .soon)
        }
    }
}

import Foundation
public import Logging
public import MusterClient
public import MusterHTTP
public import MusterHandlers
public import MusterProtocol
public import MusterRPC
public import MusterStore
import Postgres
public import TestSupport

@testable import muster_server

/// A server in this process, on its own port and over its own workspace; clients connect over real sockets.
public final class TestServer: Sendable {
    public let store: Store
    public let rpc: RPCServer
    public let rest: HTTPServer
    /// The methods that have a handler.
    public var methods: Set<String> { server.router.methods }
    public let workspace: NewWorkspace
    /// The connection string of the database, for a second server.
    public let databaseURL: String
    private let server: Server
    private let watching: Task<Void, Never>
    private let answering: Task<Void, any Error>

    /// Memory for identity directories where a test doesn't say: a run of all tests with 0, or with little, shows that
    /// they decide the speed of answers alone.
    private static let directoryBytes =
        ProcessInfo.processInfo.environment["TEST_DIRECTORY_BYTES"].flatMap(Int.init) ?? 64 << 20

    /// Starts a server over a workspace that is there, wired as the program is.
    public init(
        databaseURL: String, workspace: NewWorkspace, connections: Int = 4, cacheBytes: Int = 64 << 20,
        directoryBytes: Int? = nil,
        restRequestsPerHour: Int = 250_000, restServiceRequestsPerHour: Int = 3_600_000,
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value, logger: Logger = quietLogger
    ) async throws {
        var settings = try await Settings.load(flags: [:], environment: [:], file: nil)
        (settings.databaseURL, settings.databaseConnections) = (databaseURL, connections)
        (settings.listenPort, settings.restPort, settings.opsHost) = (0, 0, nil)
        (settings.version, settings.publicRESTURL) = ("test", "https://rest.example")
        (settings.cacheBytes, settings.maxInFlightPerKey) = (cacheBytes, maxInFlightPerKey)
        settings.directoryBytes = directoryBytes ?? Self.directoryBytes
        settings.restRequestsPerHour = restRequestsPerHour
        settings.restServiceRequestsPerHour = restServiceRequestsPerHour
        let server = Server(settings, logger: logger)
        (self.server, self.databaseURL, self.workspace) = (server, databaseURL, workspace)
        (store, rpc, rest) = (server.store, server.rpc, server.rest)
        try await server.rpc.start()
        // Both end with `stop`; the test owns the server, and nothing waits for them before.
        answering = Task { try await server.rest.run() }
        watching = Task(priority: .high) { await server.watchKeys() }
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
        watching.cancel()
        answering.cancel()
        await rpc.abortNow()
        _ = await answering.result
        await server.database.close()
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

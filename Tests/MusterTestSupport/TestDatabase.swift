import Logging
import MusterProtocol
public import MusterStore
public import Postgres
import TestSupport

/// A migrated private database with a workspace; dropped when `with` returns.
///
/// It is on the PostgreSQL of `DATABASE_URL`, copied from a template that is migrated once per process.
public struct TestDatabase: Sendable {
    /// For the role that owns the tables.
    public let ownerURL: String
    /// For `muster_server`, the role of servers.
    public let serverURL: String
    /// The initial workspace.
    public let workspace: WorkspaceID
    /// The name of that workspace.
    public static let workspaceName = "acme"

    /// Makes a database, calls `body`, and drops the database.
    public static func with<R>(_ body: (TestDatabase) async throws -> R) async throws -> R {
        let cluster = try await TestCluster.shared()
        return try await with(cluster, from: cluster.template, body)
    }

    /// The same with an empty database without a schema.
    ///
    /// - Parameter locale: an option of `CREATE DATABASE`, such as `LOCALE 'C'`; the cluster's locale if empty.
    public static func withEmpty<R>(locale: String = "", _ body: (TestDatabase) async throws -> R) async throws -> R {
        try await with(try await TestCluster.shared(), from: "template0 \(locale)", body)
    }

    private static func with<R>(
        _ cluster: TestCluster, from template: String, _ body: (TestDatabase) async throws -> R
    ) async throws -> R {
        await cluster.turns.acquire()
        let result: Result<R, any Error>
        do {
            let name = cluster.newName()
            try await cluster.create(name, from: template)
            do { result = .success(try await body(TestDatabase(cluster, name))) } catch { result = .failure(error) }
            try await cluster.drop(name)
        } catch {
            await cluster.turns.release()
            throw error
        }
        await cluster.turns.release()
        return try result.get()
    }

    private init(_ cluster: TestCluster, _ name: String) {
        ownerURL = cluster.url(of: name)
        serverURL = cluster.serverURL(of: name)
        workspace = cluster.workspace
    }

    /// Calls `body` with a database that connects with `url`, and closes it.
    public static func open<R>(
        _ url: String, connections: Int = 2, _ body: (Database) async throws -> R
    ) async throws -> R {
        var settings = DatabaseSettings.store(connectionString: url)
        settings.connections = connections
        let database = Database(settings, logger: quietLogger)
        do {
            let result = try await body(database)
            await database.close()
            return result
        } catch {
            await database.close()
            throw error
        }
    }

    /// Calls `body` with a store like a server's.
    public func withStore<R>(
        connections: Int = 4, journal: ErasureJournal? = nil, _ body: (Store) async throws -> R
    ) async throws -> R {
        try await Self.open(serverURL, connections: connections) { database in
            try await body(Store(database: database, cacheBytes: 64 << 20, journal: journal, logger: quietLogger))
        }
    }

    /// Ends all connections and refuses new ones, as if PostgreSQL were unreachable, or accepts them again.
    public func setReachable(_ isReachable: Bool) async throws {
        let name = try ConnectionString(ownerURL)["dbname"] ?? ""
        try await TestCluster.shared().setReachable(isReachable, name)
    }

    /// Creates another workspace and returns its number.
    public func makeWorkspace(_ name: String) async throws -> WorkspaceID {
        try await Self.open(ownerURL, connections: 1) { database in try await TestCluster.makeWorkspace(name, database)
        }
    }
}

extension Store {
    /// The stores of a workspace for work that belongs to no call.
    public func `in`(_ workspace: WorkspaceID) -> WorkspaceStore { self.in(WorkspaceScope(workspace, deadline: .soon)) }
}

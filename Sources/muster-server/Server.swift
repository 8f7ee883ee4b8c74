import Logging
import MusterHTTP
import MusterHandlers
import MusterListener
import MusterProtocol
import MusterREST
import MusterRPC
import MusterStore
import Postgres
import Synchronization

/// All parts of one server, wired. The program and the tests build it here.
struct Server: Sendable {
    let settings: Settings
    let logger: Logger
    let database: Database
    let store: Store
    let schema: Schema
    let keys: KeyRevocationMonitor
    let router: CallRouter
    let rpc: RPCServer
    let rest: HTTPServer
    /// Nil if the operator turned it off.
    let ops: OpsServer?
    let draining: Draining

    /// Wires a server that does not listen yet.
    init(_ settings: Settings, logger: Logger) {
        (self.settings, self.logger) = (settings, logger)
        let draining = Draining()
        let database = Database(settings.database, logger: logger)
        let schema = Schema(database: database)
        let store = Store(
            database: database, cacheBytes: settings.cacheBytes, directoryBytes: settings.directoryBytes,
            journal: settings.erasureJournal.map { ErasureJournal(path: $0, logger: logger) }, logger: logger)
        let keys = KeyRevocationMonitor(store: store, logger: logger)
        let identity = ServerIdentity(
            version: settings.version, restURL: settings.publicRESTURL, limits: settings.limits,
            isDraining: { draining.hasBegun })
        let router = CallRouter(
            store: store, keys: keys, schema: schema, identity: identity,
            maxInFlightPerKey: settings.maxInFlightPerKey, logger: logger)
        let rpc = RPCServer(settings: settings.rpc, router: router, logger: logger)
        let rest = HTTPServer(
            rest: settings.rest, router: router, authorizer: PartnerAuthorizer(store: store),
            archives: ExportArchives(store: store), splitRequests: SplitRequests(store: store), logger: logger)
        let metrics = ServerMetrics(router: router, store: store, rpc: rpc, rest: rest)
        ops = settings.opsHost.map { host in
            OpsServer(host: host, port: settings.opsPort, logger: logger) {
                var readiness = await schema.readiness()
                readiness.listening = rpc.isListening && rest.isListening
                readiness.draining = draining.hasBegun
                return readiness
            } metrics: {
                metrics.page
            }
        }
        (self.draining, self.database, self.schema, self.store) = (draining, database, schema, store)
        (self.keys, self.router, self.rpc, self.rest) = (keys, router, rpc, rest)
    }

    /// Ends the sessions of keys that are no longer valid, until it is cancelled.
    func watchKeys() async { await keys.run { [rpc] isMeant in rpc.endSessions(where: isMeant) } }
}

/// Whether the server is shutting down.
final class Draining: Sendable {
    private let flag = Atomic(false)

    var hasBegun: Bool { flag.load(ordering: .relaxed) }

    func begin() { flag.store(true, ordering: .relaxed) }
}

extension Settings {
    /// The limits as callers see them, with the operator's settings applied.
    var limits: [Limit] {
        Limits.all(with: [
            Limits.lockWait.set(to: self.lockTimeoutMilliseconds), Limits.drainSeconds.set(to: self.drainSeconds),
            Limits.connections.set(to: self.connections),
            Limits.unauthenticatedConnections.set(to: self.unauthenticatedConnections),
            Limits.connectionsPerAddress.set(to: self.connectionsPerAddress),
            Limits.restRequestsPerHour.set(to: self.restRequestsPerHour),
            Limits.restServiceRequestsPerHour.set(to: self.restServiceRequestsPerHour),
        ])
    }

    var database: DatabaseSettings {
        var database = DatabaseSettings.store(connectionString: self.databaseURL)
        database.connections = self.databaseConnections
        database.urgentConnections = 1
        database.lockTimeoutMilliseconds = self.lockTimeoutMilliseconds
        database.applicationName = "muster-server"
        return database
    }

    var rpc: RPCServerSettings {
        var settings = RPCServerSettings(
            listener: listener(self.listenHost, self.listenPort, self.isListenInsecureAllowed))
        settings.bounds.shutdownDelay = .seconds(self.shutdownDelaySeconds)
        settings.bounds.drain = .seconds(self.drainSeconds)
        settings.bounds.connections = self.connections
        settings.bounds.unauthenticatedConnections = self.unauthenticatedConnections
        settings.bounds.surplusConnections = surplusConnections
        settings.bounds.connectionsPerAddress = self.connectionsPerAddress
        return settings
    }

    var rest: RESTServerSettings {
        var settings = RESTServerSettings(
            listener: listener(self.restHost, self.restPort, self.isRESTInsecureAllowed),
            requestsPerHour: self.restRequestsPerHour,
            serviceRequestsPerHour: self.restServiceRequestsPerHour)
        settings.http.bounds.shutdownDelay = .seconds(self.shutdownDelaySeconds)
        settings.http.bounds.drain = .seconds(self.drainSeconds)
        settings.http.bounds.connections = self.connections
        settings.http.bounds.unauthenticatedConnections = self.unauthenticatedConnections
        settings.http.bounds.surplusConnections = surplusConnections
        settings.http.bounds.connectionsPerAddress = self.connectionsPerAddress
        return settings
    }

    private func listener(_ host: String, _ port: Int, _ isInsecureAllowed: Bool) -> ListenerSettings {
        var listener = ListenerSettings(
            host: host, port: port, tls: tls.map { TLSFiles(certificateFile: $0.certificate, keyFile: $0.key) },
            allowPlaintext: isLoopback(host) || isInsecureAllowed)
        listener.maxConnections = places
        listener.expectsProxyHeader = self.expectsProxyHeader
        return listener
    }
}

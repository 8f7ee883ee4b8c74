public import MusterHTTP
public import MusterHandlers
public import MusterListener
public import MusterProtocol
import MusterREST
import MusterStore
import Synchronization
public import TestSupport

/// Handlers that do what a test tells them, behind the partner routes, whose bodies are a stranger's until their key is
/// judged. They need no database.
public final class StubREST: Sendable {
    private struct State {
        var named: [String] = []
        var opened = 0
        var proofs = 0
        var partnerReads = 0
    }
    private let state = Mutex(State())
    private let maxInFlightPerKey: Int
    /// Where imports wait, by their cohort.
    public let gates = Gates()
    /// Good for partner `p`.
    public let key = Secret(.import, in: WorkspaceID(rawValue: 1)).text
    /// Of a service that may do everything.
    public let serviceKey = Secret(.service, in: WorkspaceID(rawValue: 1)).text

    /// - Parameter maxInFlightPerKey: the limit that the router holds each key to.
    public init(maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value) {
        self.maxInFlightPerKey = maxInFlightPerKey
    }

    /// Cohorts that were named, in order.
    public var named: [String] { state.withLock { $0.named } }

    /// How often a key was looked up, proved to be live, and its partner read.
    public var checks: (opened: Int, proofs: Int, partnerReads: Int) {
        state.withLock { ($0.opened, $0.proofs, $0.partnerReads) }
    }

    // MARK: Requests

    /// Names a cohort, at once; `padding` bytes are of no meaning.
    public func naming(_ cohort: String = "c", name: String = "n", padding: Int = 0) -> String {
        // By blocks: blank by blank, millions take seconds.
        let block = String(repeating: " ", count: 10_000)
        let rest = String(repeating: block, count: padding / 10_000) + block.prefix(padding % 10_000)
        return """
            {"client_secret":"\(key)","cohort_id":"\(cohort)","name":"\(name)","created_at":"2021-01-21T19:20:30Z"\(rest)}
            """
    }

    /// Imports into a cohort, which waits until its gate is open.
    public func importing(_ cohort: String) -> String {
        #"{"client_secret":"\#(key)","cohort_id":"\#(cohort)","cohort_changes":[{"user_ids":["u"]}]}"#
    }

    // MARK: Servers

    /// A REST endpoint of these handlers, which does not listen yet.
    public func server(
        listener: ListenerSettings = .init(port: 0, allowPlaintext: true),
        bounds: HTTPServerSettings.Bounds = .quick
    ) -> HTTPServer {
        HTTPServer(
            rest: .init(listener: listener, bounds: bounds), router: router, authorizer: authorizer, archives: nil,
            splitRequests: nil, logger: quietLogger)
    }

    /// A router of these handlers.
    public var router: CallRouter {
        CallRouter(
            routes: routes,
            open: { [self] call, _ in
                state.withLock { $0.opened += 1 }
                guard [key, serviceKey].contains(call.key) else {
                    throw RPCError(.unauthenticated, "this key is no good")
                }
                let session = Session(
                    workspaceID: .init(rawValue: 1), workspace: "acme", keyID: "k",
                    kind: call.key == key ? .import : .service, partner: "p", scopes: ["*"], expiresAt: nil)
                return (session, OpenSession.Reply(workspace: "acme", keyID: "k", scopes: ["*"]))
            },
            prove: { [self] _, _ throws(RPCError) in
                state.withLock { $0.proofs += 1 }
                return .now
            },
            maxInFlightPerKey: maxInFlightPerKey, logger: quietLogger)
    }

    /// An operator who enabled every partner.
    private var authorizer: PartnerAuthorizer {
        PartnerAuthorizer { [self] _, _, _ in
            state.withLock { $0.partnerReads += 1 }
            return PartnerAdmission(isEnabled: true, apiKeyDigest: nil)
        }
    }

    private var routes: [Route] {
        [
            Route(CreateCohort.self) { call, _ in
                self.state.withLock { $0.named.append(call.cohortID.text) }
                return CreateCohort.example.reply
            },
            Route(ImportCohort.self) { call, _ in
                try await self.gates.wait(at: call.cohortID.text)
                return ImportCohort.example.reply
            },
        ]
    }
}

/// Where partner `p` names cohorts.
public let namePath = "/partners/p/cohorts"
/// Where partner `p` imports into cohorts.
public let importPath = "/partners/p/cohorts/users"

extension HTTPServerSettings.Bounds {
    /// The default bounds, but for the moment that a refused client gets to read why: 0.3 seconds.
    public static var quick: Self {
        var bounds = Self()
        bounds.linger = .milliseconds(300)
        return bounds
    }
}

/// Runs `body` with a REST endpoint of stub handlers on a port of its own, and ends it.
public func withStubREST(
    bounds: HTTPServerSettings.Bounds = .quick, tls: TLSFiles? = nil, stub: StubREST = StubREST(),
    _ body: (HTTPServer, StubREST) async throws -> Void
) async throws {
    let server = stub.server(listener: .init(port: 0, tls: tls, allowPlaintext: true), bounds: bounds)
    try await server.start()
    try await cleaningUp({ await server.abortNow() }, after: { try await body(server, stub) })
}

/// Runs `body` with a raw connection to a REST endpoint of stub handlers.
public func withStubRESTConnection(
    bounds: HTTPServerSettings.Bounds = .quick, _ body: (RawHTTP, HTTPServer, StubREST) async throws -> Void
) async throws {
    try await withStubREST(bounds: bounds) { server, stub in
        let connection = try await RawHTTP(port: server.port)
        try await body(connection, server, stub)
        await connection.close()
    }
}

extension HTTPServer {
    /// The port that it listens on; 0 before it does.
    public var port: Int { boundPort ?? 0 }
}

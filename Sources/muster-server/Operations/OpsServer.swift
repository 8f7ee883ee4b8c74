import HTTPTypes
import HummingbirdCore
import Logging
import MusterHTTP
import MusterListener
import MusterMetrics
import NIOCore

/// Whether a server can answer calls, in words for an operator.
struct Readiness: Sendable, Encodable {
    /// Whether PostgreSQL answers.
    var postgres: Bool
    /// Whether the database has a schema that this server supports and may read.
    var schema: Bool
    /// Whether both listeners accept connections.
    var listening: Bool
    /// Whether the server is shutting down.
    var draining: Bool
    /// Whether calls were refused in the last second because PostgreSQL can't keep up. The server still counts as
    /// ready: if it were removed, its work would fall on others.
    var overloaded = false
    /// Why PostgreSQL or its schema can't be used, and what to change; nil if they can. Contains no secret.
    var cause: String?

    /// Sets the facts.
    init(postgres: Bool, schema: Bool, listening: Bool, draining: Bool, cause: String? = nil) {
        self.postgres = postgres
        self.schema = schema
        self.listening = listening
        self.draining = draining
        self.cause = cause
    }

    /// Whether the server may get calls.
    var isReady: Bool { postgres && schema && listening && !draining }

    private var message: String {
        if draining { return "not ready: the server is shutting down" }
        if !postgres { return "not ready: PostgreSQL can't be reached" }
        if !schema { return "not ready: the database's schema can't be served; cause says why" }
        return listening ? "ready" : "not ready: the server does not listen yet"
    }

    enum CodingKeys: String, CodingKey { case message, postgres, schema, listening, draining, overloaded, cause }

    /// Encodes the facts and a message.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(message, forKey: .message)
        try container.encode(postgres, forKey: .postgres)
        try container.encode(schema, forKey: .schema)
        try container.encode(listening, forKey: .listening)
        try container.encode(draining, forKey: .draining)
        try container.encode(overloaded, forKey: .overloaded)
        try container.encodeIfPresent(cause, forKey: .cause)
    }
}

/// The listener for operators: liveness, readiness and metrics. Plain HTTP, without a key.
final class OpsServer: Sendable {
    /// Connections at once, each a descriptor: probes and scrapers are few.
    static let maxConnections = 32

    private let server: HTTPServer

    /// - Parameters:
    ///   - host: the address to listen on, which only the operator's machines may reach.
    ///   - port: with 0 the system chooses a port, which `boundPort` returns.
    ///   - readiness: called for each `GET /readyz`.
    ///   - metrics: called for each `GET /metrics`.
    init(
        host: String, port: Int, logger: Logger, readiness: @escaping @Sendable () async -> Readiness,
        metrics: @escaping @Sendable () -> Exposition
    ) {
        var settings = HTTPServerSettings(listener: .init(host: host, port: port, allowPlaintext: true))
        settings.bounds.connections = 24
        settings.bounds.surplusConnections = 4
        settings.listener.maxConnections = Self.maxConnections
        settings.bounds.body = 0
        let routes = OpsRoutes(readiness: readiness, metrics: metrics)
        server = HTTPServer(name: "Operations", settings: settings, logger: logger, respond: routes.respond)
    }

    /// The port that it listens on, once it has started.
    var boundPort: Int? { server.boundPort }

    /// Begins to listen; returns when connections are accepted.
    func start() async throws { try await server.start() }

    /// Closes everything at once.
    func stop() async { await server.abortNow() }
}

/// The responses of the listener for operators.
private struct OpsRoutes: Sendable {
    let readiness: @Sendable () async -> Readiness
    let metrics: @Sendable () -> Exposition

    @Sendable func respond(to incoming: IncomingRequest) async -> RoutedResponse {
        do { return RoutedResponse(await response(to: try incoming.request())) } catch {
            let problem = error as? HTTPProblem
            return RoutedResponse(
                (problem ?? HTTPProblem(.internalServerError, "something went wrong in the server")).answer.response)
        }
    }

    private func response(to request: Request) async -> Response {
        let path = request.uri.path
        guard ["/livez", "/readyz", "/metrics"].contains(path) else {
            return JSONResponse(.notFound, Message(message: "there is /livez, /readyz and /metrics")).response
        }
        guard request.method == .get || request.method == .head else {
            var refusal = JSONResponse(.methodNotAllowed, Message(message: "this path answers GET, HEAD only"))
            refusal.headers[.allow] = "GET, HEAD"
            return refusal.response
        }
        switch path {
        case "/livez": return JSONResponse(.ok, Message(message: "alive")).response
        case "/readyz":
            let readiness = await readiness()
            return JSONResponse(readiness.isReady ? .ok : .serviceUnavailable, readiness).response
        default:
            return Response(
                status: .ok, headers: [.contentType: Exposition.contentType],
                body: .init(byteBuffer: ByteBuffer(string: metrics().text)))
        }
    }
}

import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterMetrics

/// Answers requests, and counts its answers.
struct RESTResponder: Sendable {
    let counts: AnswerCounts
    private let respond: @Sendable (Request) async throws -> Response
    private let refuse: @Sendable (any Error) async -> Response

    /// - Parameters:
    ///   - respond: to a request that is one.
    ///   - refuse: what `respond` threw, or what kept a request from being one.
    ///   - routes: under which times are told apart.
    init(
        routes: [String] = [],
        respond: @escaping @Sendable (Request) async throws -> Response,
        refuse: @escaping @Sendable (any Error) async -> Response
    ) {
        counts = AnswerCounts(routes: routes)
        self.respond = respond
        self.refuse = refuse
    }

    /// By the routes of the calls.
    init(_ routes: RESTRoutes) {
        let table = routes.table
        let router = table.buildResponder()
        self.init(routes: Set(table.routes.map(\.path.description)).sorted()) { request in
            try await router.respond(to: request, context: RESTContext(logger: routes.logger))
        } refuse: { error in
            await routes.answer { throw error }
        }
    }

    /// Answers one request, whatever is the matter with it. On the shared threads: what a route computes holds up no connection.
    func answer(_ incoming: IncomingRequest) async {
        counts.began()
        defer { counts.ended() }
        let response = await IncomingRequest.$current.withValue(incoming) { await respond(to: incoming) }
        counts.answered(response.status.code)
        do {
            try await response.body.write(AnswerWriter(incoming, response))
        } catch {
            incoming.cut()
        }
        counts.took(.now - incoming.time.began, on: incoming.route.name)
    }

    private func respond(to incoming: IncomingRequest) async -> Response {
        do { return try await respond(try incoming.request()) } catch { return await refuse(error) }
    }
}

/// What was answered over HTTP, by status: refusals of the transport among them, which are no calls. And how long it took, by route.
final class AnswerCounts: Sendable {
    /// Each that can be: a list of those in use would lack the next one.
    private static let statuses = 100..<600
    private let cells = Cells(statuses.count)
    private let running = Cells(1)
    private let routes: [String]
    private let times: Histograms

    /// - Parameter routes: with the names of their parts in place of what callers send; a fixed set.
    init(routes: [String]) {
        self.routes = routes + ["other"]
        times = Histograms(kinds: routes.count + 1)
    }

    var inFlight: Int { running[0] }

    func began() { running.add() }
    func ended() { running.add(-1) }
    func answered(_ status: Int) { if Self.statuses.contains(status) { cells.add(at: status - 100) } }

    /// - Parameter route: nil where there is none.
    func took(_ time: Duration, on route: String?) {
        times.record(time, of: route.flatMap { routes.firstIndex(of: $0) } ?? routes.count - 1)
    }

    func write(to page: inout Exposition) {
        page.counter(
            "muster_http_answers_total", "Answers of the REST listener, by status.",
            Self.statuses.filter { cells[$0 - 100] > 0 }.map { .init(["status": "\($0)"], cells[$0 - 100]) })
        page.histogram(
            "muster_http_seconds", "From a request's header to the end of its answer.", by: "route",
            routes.enumerated().map { ($1, times.snapshot(of: $0)) }.filter { $0.1.count > 0 })
    }
}

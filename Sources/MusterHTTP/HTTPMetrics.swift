import MusterMetrics

/// Counts the responses of one server by status, including refusals by the transport, and times them by route.
final class HTTPMetrics: Sendable {
    /// Every possible status: a list of the statuses in use would lack the next one.
    private static let statuses = 100..<600
    private let cells = Cells(statuses.count)
    private let running = Cells(1)
    private let routes: [String]
    private let times: Histograms

    /// - Parameter routes: the route templates, a fixed set: no input of a caller becomes a label.
    init(routes: [String]) {
        self.routes = routes + ["other"]
        times = Histograms(kinds: routes.count + 1)
    }

    var inFlight: Int { running[0] }

    func began() { running.add() }
    func ended() { running.add(-1) }
    func answered(_ status: Int) { if Self.statuses.contains(status) { cells.add(at: status - 100) } }

    /// - Parameter route: nil if no route matched.
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

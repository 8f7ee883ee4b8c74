import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization

/// Finds the route of a request, and writes its answer.
struct RESTResponder: Sendable {
    /// Counts requests.
    final class Count: Sendable {
        private let number = Atomic<Int>(0)
        var count: Int { number.load(ordering: .relaxed) }
        fileprivate func add(_ one: Int) { number.add(one, ordering: .relaxed) }
    }

    let inFlight = Count()
    private let routes: RESTRoutes
    private let router: RouterResponder<RESTContext>

    init(_ routes: RESTRoutes) {
        self.routes = routes
        router = routes.responder
    }

    /// Answers one request, whatever is the matter with it. On the shared threads: what a route computes holds up no connection.
    func answer(_ incoming: IncomingRequest) async {
        inFlight.add(1)
        defer { inFlight.add(-1) }
        let response = await IncomingRequest.$current.withValue(incoming) { await respond(to: incoming) }
        do {
            try await response.body.write(AnswerWriter(incoming, response))
        } catch {
            incoming.cut()
        }
    }

    private func respond(to incoming: IncomingRequest) async -> Response {
        do {
            let request = try incoming.request()
            return try await router.respond(to: request, context: RESTContext(logger: routes.logger))
        } catch {
            return await routes.answer { throw error }
        }
    }
}

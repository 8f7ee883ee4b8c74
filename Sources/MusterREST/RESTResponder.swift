import Hummingbird
import HummingbirdCore
import MusterHTTP

/// Gives each request its context and sends it down the routes.
struct RESTResponder: Sendable {
    let responder: RouterResponder<RESTContext>
    let errors: ErrorMiddleware
    let limiter: RateLimiter

    @Sendable func respond(to incoming: IncomingRequest) async -> RoutedResponse {
        let context = RESTContext(
            source: .init(
                incoming: incoming, accounting: RequestAccounting(limiter, errors.router), logger: errors.logger))
        do {
            let response = try await responder.respond(to: try incoming.request(), context: context)
            return RoutedResponse(response, route: context.endpointPath)
        } catch {
            // The request is invalid, so no route has seen it.
            var response = errors.response(to: error)
            response.setRate(nil)
            return RoutedResponse(response)
        }
    }
}

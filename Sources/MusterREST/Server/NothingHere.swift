import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// What Hummingbird's router keeps of a request.
struct RESTContext: RequestContext {
    struct Source: RequestContextSource { let logger: Logger }

    var coreContext: CoreRequestContextStorage

    init(source: Source) { coreContext = .init(source: source) }

    init(logger: Logger) { self.init(source: Source(logger: logger)) }
}

/// Says that there is nothing at a path as all else is said: Hummingbird's own answer is no object with `message`.
struct NothingHere: RouterMiddleware {
    typealias Context = RESTContext
    let routes: RESTRoutes

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        IncomingRequest.current?.route.name = context.endpointPath
        do { return try await next(request, context) } catch let error as HTTPError {
            let refusal = Refusal(
                error.status, error.status == .notFound ? "there is nothing at this path" : "bad request")
            return await routes.answer { throw refusal }
        }
    }
}

extension RESTRoutes {
    /// Answers every method that a path lacks with 405 and those that it has.
    func refuseOtherMethods(_ router: Router<RESTContext>) {
        let byPath = Dictionary(grouping: router.routes, by: \.path.description)
        for (path, routes) in byPath {
            var there = Set(routes.map(\.method))
            if there.contains(.get) { there.insert(.head) }
            let allowed = there.map(\.rawValue).sorted().joined(separator: ", ")
            for method in Self.allMethods where !there.contains(method) {
                router.on(RouterPath(path), method: method) { _, _ in
                    await self.answer {
                        var answer = Refusal(.methodNotAllowed, "this path answers \(allowed) only").answer
                        answer.headers[.allow] = allowed
                        return answer
                    }
                }
            }
        }
    }

    private static let allMethods: [HTTPRequest.Method] = [
        .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch,
    ]
}

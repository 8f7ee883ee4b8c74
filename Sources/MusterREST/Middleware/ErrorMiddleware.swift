import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import MusterHTTP
import MusterHandlers
import MusterProtocol

/// How errors of calls are worded for the callers of a group of routes.
enum ErrorStyle: Sendable {
    /// In the words of Braze's partner contract.
    case partner
    /// In the words of Braze's REST API if it has a text for the error.
    case service

    func problem(for error: RPCError) -> HTTPProblem {
        switch (self, error.code) {
        case (.partner, _): BrazePartnerErrors.problem(for: error)
        case (.service, .permissionDenied): HTTPProblem(error, words: "Access Denied: \(error.message)")
        case (.service, .unauthenticated): .invalidAPIKey
        case (.service, _): HTTPProblem(error)
        }
    }

    func problem(for body: UnreadableBody) -> HTTPProblem {
        let error = RPCError(body.cause)
        return self == .partner ? BrazePartnerErrors.content(error) : HTTPProblem(error)
    }
}

extension HTTPProblem {
    static let invalidAPIKey = HTTPProblem(.unauthorized, "Invalid API key")
}

/// Turns every error of the routes behind it into a response.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = RESTContext
    let style: ErrorStyle
    let router: CallRouter
    let logger: Logger

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch { return response(to: error) }
    }

    func response(to error: any Error) -> Response {
        if error is JSONError || error is UnreadableBody { router.refused(.invalidArgument, over: .rest) }
        return problem(for: error).answer.response
    }

    private func problem(for error: any Error) -> HTTPProblem {
        switch error {
        case let problem as HTTPProblem: return problem
        case let error as RPCError: return style.problem(for: error)
        case let error as JSONError: return HTTPProblem(RPCError(error))
        case let body as UnreadableBody: return style.problem(for: body)
        // Hummingbird's own response lacks the JSON object with `message`.
        case let error as HTTPError:
            return HTTPProblem(
                error.status, error.status == .notFound ? "there is nothing at this path" : "bad request")
        default:
            logger.error("A REST route failed", metadata: ["cause": "\(error)"])
            return HTTPProblem(.internalServerError, "something went wrong in the server")
        }
    }
}

extension Router<RESTContext> {
    /// Answers methods that a path lacks with 405 and the list of methods that it has.
    func refuseOtherMethods() {
        for (path, routes) in Dictionary(grouping: routes, by: \.path.description) {
            var there = Set(routes.map(\.method))
            if there.contains(.get) { there.insert(.head) }
            let allowed = there.map(\.rawValue).sorted().joined(separator: ", ")
            for method in Self.allMethods where !there.contains(method) {
                on(RouterPath(path), method: method) { _, _ in
                    var answer = HTTPProblem(.methodNotAllowed, "this path answers \(allowed) only").answer
                    answer.headers[.allow] = allowed
                    return answer.response
                }
            }
        }
    }

    private static var allMethods: [HTTPRequest.Method] {
        [.get, .head, .post, .put, .delete, .connect, .options, .trace, .patch]
    }
}

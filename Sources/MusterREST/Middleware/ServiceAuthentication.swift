import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterHandlers
import MusterProtocol

/// Authenticates a service by `Authorization: Bearer KEY`, before anything of the body is read.
struct ServiceAuthentication: RouterMiddleware {
    typealias Context = RESTContext
    let authenticator: Authenticator
    let router: CallRouter

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        guard let secret = request.bearer else { throw HTTPProblem.invalidAPIKey }
        let (session, provedAt) = try await authenticator.session(for: secret, deadline: context.deadline)
        context.incoming.callerIsAuthenticated()
        guard session.kind == .service else { throw HTTPProblem.invalidAPIKey }
        var context = context
        context.authenticated = Caller(
            session: session, provedAt: provedAt, idempotencyKey: Result { try request.idempotencyKey() },
            router: router, incoming: context.incoming)
        return try await next(request, context)
    }
}

extension Request {
    /// The secret in `Authorization: Bearer`; nil without such a header.
    var bearer: String? {
        guard let header = headers[.authorization], header.lowercased().hasPrefix("bearer ") else { return nil }
        return String(header.dropFirst(7)).withoutWhiteSpaceAround
    }
}

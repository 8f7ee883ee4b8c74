import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterHandlers
import MusterProtocol

/// The secrets that a partner authenticates with. Neither is ever sent back.
struct PartnerCredentials: Sendable {
    let clientSecret: String
    /// Nil if it is missing or not a string.
    let partnerAPIKey: String?

    /// Reads them from a body, before anything else in it. Throws an `HTTPProblem` with status 401 if it has no string
    /// `client_secret`.
    init(_ body: JSONValue) throws {
        func string(_ value: JSONValue?) -> String? { try? value?.string() }
        guard let secret = string(body.field("client_secret")) else { throw BrazePartnerErrors.clientSecret }
        clientSecret = secret
        partnerAPIKey = string(body.field("partner_api_key"))
    }

    /// Reads them from `Authorization: Bearer` and `X-Partner-API-Key`: a GET has no body. Throws an `HTTPProblem` with
    /// status 401 if there is no key.
    init(_ request: Request) throws {
        guard let secret = request.bearer else { throw BrazePartnerErrors.unauthorized }
        clientSecret = secret
        partnerAPIKey = request.headers[.partnerAPIKey]
    }
}

/// Authenticates a partner for the `:partner` of the path, before anything else of the request is validated: only
/// authorized callers learn whether a request is valid.
struct PartnerAuthentication: RouterMiddleware {
    typealias Context = RESTContext
    typealias Read = @Sendable (Request, inout RESTContext) async throws -> PartnerCredentials

    let authenticator: Authenticator
    let authorizer: PartnerAuthorizer
    let router: CallRouter
    let read: Read

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        let credentials = try await read(request, &context)
        context.authenticated = try await authenticate(credentials, request, context)
        return try await next(request, context)
    }

    private func authenticate(
        _ credentials: PartnerCredentials, _ request: Request, _ context: RESTContext
    ) async throws -> Caller {
        let deadline = context.deadline
        let (session, provedAt) = try await authenticator.session(for: credentials.clientSecret, deadline: deadline)
        context.incoming.callerIsAuthenticated()
        let decision = try await authorizer.authorize(
            session, as: try context.parameters.decoded("partner"), partnerAPIKey: credentials.partnerAPIKey,
            deadline: deadline)
        switch decision {
        case .admitted: break
        case .notThePartners: throw BrazePartnerErrors.clientSecret
        case .wrongPartnerAPIKey: throw BrazePartnerErrors.partnerAPIKey
        case .disabled: throw BrazePartnerErrors.notEnabled
        }
        return Caller(
            session: session, provedAt: provedAt, idempotencyKey: Result { try request.idempotencyKey() },
            router: router, incoming: context.incoming)
    }

    /// Reads the credentials from the headers.
    static let inHeaders: Read = { request, _ in try PartnerCredentials(request) }

    /// Reads the credentials from the body, and decodes the body in the same pass.
    static func inBody<Body: Decodable & Sendable>(of _: Body.Type) -> Read {
        { request, context in
            let (credentials, body) = try await request.json { value in
                (try PartnerCredentials(value), Result { try JSONDecoding.decode(Body.self, from: value) })
            }
            context.decodedBody = body.map { $0 as any Sendable }
            return credentials
        }
    }
}

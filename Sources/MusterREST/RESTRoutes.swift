public import Hummingbird
public import HummingbirdCore
import Logging
public import MusterHTTP
import MusterHandlers
import MusterProtocol

/// All routes, each behind the middleware of its group.
struct RESTRoutes {
    let router: CallRouter
    let authenticator: Authenticator
    let authorizer: PartnerAuthorizer
    let exports: ExportRoutes
    let splitRequests: SplitRequests?
    let logger: Logger

    /// The routes by method and path. A request goes down through the middleware in the order that it is added.
    var table: Router<RESTContext> {
        let routes = Router(context: RESTContext.self, options: .autoGenerateHeadEndpoints)
        routes.add(middleware: AccountingMiddleware())
        routes.add(middleware: errors(.service))
        PartnerRoutes().add { read in
            routes.group("/partners/:partner/cohorts")
                .add(middleware: errors(.partner))
                .add(
                    middleware: PartnerAuthentication(
                        authenticator: authenticator, authorizer: authorizer, router: router, read: read)
                )
                .add(middleware: RateLimiting())
        }
        let services = routes.group()
            .add(middleware: ServiceAuthentication(authenticator: authenticator, router: router))
            .add(middleware: RateLimiting())
        UserRoutes(splitRequests: splitRequests).add(to: services)
        SegmentRoutes().add(to: services)
        exports.add(to: services, public: routes)
        routes.refuseOtherMethods()
        return routes
    }

    /// The responses to errors for one kind of caller.
    func errors(_ style: ErrorStyle) -> ErrorMiddleware {
        ErrorMiddleware(style: style, router: router, logger: logger)
    }
}

extension JSONResponse: ResponseGenerator {
    /// The response of a route.
    public func response(from _: Request, context _: some RequestContext) -> Response { response }
}

extension Request {
    /// The body as bytes. Throws an `HTTPProblem` if it is too large, too slow, or refused for another reason.
    func bytes() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in body { bytes.append(contentsOf: part.readableBytesView) }
        return bytes
    }

    /// The body's object, given to `read`.
    func json<R>(_ read: (JSONValue) throws -> R) async throws -> R {
        try Self.json(in: try await bytes(), read)
    }

    /// The body decoded as `T`.
    func body<T: Decodable>(_: T.Type) async throws -> T {
        try await json { try JSONDecoding.decode(T.self, from: $0) }
    }

    /// The object in these bytes, given to `read`.
    static func json<R>(in bytes: [UInt8], _ read: (JSONValue) throws -> R) throws -> R {
        try bytes.withUnsafeBytes { try readers.read($0, read) }
    }

    /// Clients send ids as numbers; one number that can't be stored must not refuse the objects beside it.
    private static let readers = JSONReaders(idle: 4, takesWideIntegers: true)
}

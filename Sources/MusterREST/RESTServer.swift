import Hummingbird
import HummingbirdCore
public import Logging
public import MusterHTTP
public import MusterHandlers
public import MusterListener
public import MusterProtocol

/// The address, rate limits and bounds of the REST endpoint.
public struct RESTServerSettings: Sendable {
    /// The address and the bounds.
    public var http: HTTPServerSettings
    /// Requests in one hour of the clock that each data import key may send to this server; 0 is no limit.
    public var requestsPerHour: Int
    /// The same for each service key: Braze's limit for `/users/track`, 3,000 in 3 seconds, over an hour.
    public var serviceRequestsPerHour: Int

    /// Settings with the bounds of `Limits`.
    public init(
        listener: ListenerSettings, requestsPerHour: Int = Limits.restRequestsPerHour.value,
        serviceRequestsPerHour: Int = Limits.restServiceRequestsPerHour.value,
        bounds: HTTPServerSettings.Bounds = .init()
    ) {
        http = HTTPServerSettings(listener: listener, bounds: bounds)
        self.requestsPerHour = requestsPerHour
        self.serviceRequestsPerHour = serviceRequestsPerHour
    }
}

extension HTTPServer {
    /// The REST endpoint: Braze's wire. Every route decodes to the calls of the RPC, so that no rule exists twice.
    ///
    /// - Parameters:
    ///   - authorizer: decides who may act for a partner.
    ///   - archives: exports that can be fetched; nil if there are none.
    ///   - splitRequests: records requests that become several calls; nil if nothing is recorded.
    public convenience init(
        rest settings: RESTServerSettings, router: CallRouter, authorizer: PartnerAuthorizer,
        archives: ExportArchives?, splitRequests: SplitRequests?, logger: Logger
    ) {
        let scheme = settings.http.listener.tls == nil ? "http" : "https"
        let routes = RESTRoutes(
            router: router, authenticator: Authenticator(router: router), authorizer: authorizer,
            exports: ExportRoutes(archives: archives, scheme: scheme), splitRequests: splitRequests, logger: logger)
        let table = routes.table
        let responder = RESTResponder(
            responder: table.buildResponder(), errors: routes.errors(.service),
            limiter: RateLimiter(
                importKeys: settings.requestsPerHour, serviceKeys: settings.serviceRequestsPerHour))
        self.init(
            name: "REST", settings: settings.http, routes: Set(table.routes.map(\.path.description)).sorted(),
            logger: logger, respond: responder.respond)
    }
}

import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterProtocol

/// Counts each request for its authenticated key, and refuses it beyond the key's limits.
struct RateLimiting: RouterMiddleware {
    typealias Context = RESTContext

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        try context.accounting.count(try context.caller.session)
        return try await next(request, context)
    }
}

/// Puts the rate status of the key into every response, and releases the slots of the request.
struct AccountingMiddleware: RouterMiddleware {
    typealias Context = RESTContext

    func handle(
        _ request: Request, context: RESTContext, next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        defer { context.accounting.release() }
        var response = try await next(request, context)
        response.setRate(context.accounting.rate)
        return response
    }
}

extension Response {
    /// Sets the three headers that clients read of every response. Braze leaves them empty if it knows no key.
    mutating func setRate(_ rate: RateStatus?) {
        let known = status == .unauthorized ? nil : rate
        headers[.rateLimit] = known.map { String($0.limit) } ?? ""
        headers[.rateRemaining] = known.map { String($0.remaining) } ?? ""
        headers[.rateReset] = resetsAt(known)
    }

    /// When more requests may be sent, in seconds since 1970: the end of the hour, or, if the hour has room, when the
    /// obstacle may have passed. After a 429, Braze's Python client waits until then, gives up if that is late, and
    /// fails on an empty header.
    private func resetsAt(_ rate: RateStatus?) -> String {
        let isTransient = status == .tooManyRequests || status == .serviceUnavailable && rate != nil
        if isTransient, rate?.remaining != 0, let seconds = headers[.retryAfter].flatMap({ Int64($0) }) {
            return String(Instant.now.secondsSince1970 + seconds)
        }
        return rate.map { String($0.resetsAt) } ?? ""
    }
}

extension HTTPField.Name {
    static let rateLimit = named("X-RateLimit-Limit")
    static let rateRemaining = named("X-RateLimit-Remaining")
    static let rateReset = named("X-RateLimit-Reset")
    static let idempotencyKey = named("Idempotency-Key")
    static let partnerAPIKey = named("X-Partner-API-Key")

    /// - Parameter name: a constant of letters and hyphens.
    private static func named(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("no name of a header: \(name)") }
        return name
    }
}

import Hummingbird
import HummingbirdCore
import Logging
import MusterHandlers
import MusterProtocol

/// All routes with what answers them.
struct RESTRoutes {
    let desk: AccessDesk
    let gate: PartnerGate
    let limiter: RateLimiter
    let router: CallRouter
    let exports: ExportRoutes
    let splitRequests: SplitRequests?
    let logger: Logger

    /// The routes by method and path.
    var table: Router<RESTContext> {
        let routes = Router(context: RESTContext.self, options: .autoGenerateHeadEndpoints)
        routes.add(middleware: NothingHere(routes: self))
        PartnerRoutes(desk: desk, gate: gate).add(to: routes, self)
        UserRoutes(splitRequests: splitRequests).add(to: routes, self)
        exports.add(to: routes, self)
        SegmentRoutes().add(to: routes, self)
        refuseOtherMethods(routes)
        return routes
    }

    /// Answers a service's request: its key stands in the header, and is judged before anything of the body is read.
    func answer(
        to request: Request, _ work: (ServiceCaller) async throws -> RESTAnswer
    ) async -> Response {
        await answerVisit { visit in
            let caller = try await ServiceCaller(request, desk)
            try visit.count(caller.session)
            return try await work(caller)
        }
    }

    /// Answers a request that is of no key's.
    func answer(_ work: () async throws -> RESTAnswer) async -> Response {
        await answerVisit { _ in try await work() }
    }

    /// Answers with what `work` returns, or with what its failure is called over HTTP. Once it knows whose request it is, `work`
    /// has the visit counted.
    func answerVisit(_ work: (Visit) async throws -> RESTAnswer) async -> Response {
        let visit = Visit(limiter, router)
        defer { visit.end() }
        var answer: RESTAnswer
        do { answer = try await work(visit) } catch {
            let refusal = refusal(error)
            if refusal.isOfBody || error is JSONError { router.refused(.invalidArgument, over: .rest) }
            answer = refusal.answer
        }
        answer.rate = visit.rate
        return answer.response
    }

    private func refusal(_ error: any Error) -> Refusal {
        switch error {
        case let refusal as Refusal: return refusal
        case let error as RPCError: return Refusal(error)
        case let error as JSONError: return Refusal(RPCError(error))
        default:
            logger.error("A REST route failed", metadata: ["cause": "\(error)"])
            return Refusal(.internalServerError, "something went wrong in the server")
        }
    }
}

extension Request {
    /// The body as bytes. Throws a `Refusal` where it is too large, too slow, or not taken for another reason.
    func bytes() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in body { bytes.append(contentsOf: part.readableBytesView) }
        return bytes
    }

    /// The body's object, given to `read`.
    func json<R>(_ read: (JSONValue) throws -> R) async throws -> R {
        try Self.json(in: try await bytes(), read)
    }

    /// The object in these bytes, given to `read`.
    static func json<R>(in bytes: [UInt8], _ read: (JSONValue) throws -> R) throws -> R {
        try bytes.withUnsafeBytes { try readers.read($0, read) }
    }

    /// Clients send ids as numbers, and one number that can't be kept must not refuse the objects beside it.
    private static let readers = JSONReaders(idle: 4, takesWideIntegers: true)
}

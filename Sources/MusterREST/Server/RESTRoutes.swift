import Hummingbird
import HummingbirdCore
import Logging
import MusterHandlers
import MusterProtocol

/// All routes with what answers them.
struct RESTRoutes {
    let desk: AccessDesk
    let router: MusterHandlers.Router
    let exports: ExportRoutes
    let logger: Logger

    var responder: RouterResponder<RESTContext> {
        let routes = Hummingbird.Router(context: RESTContext.self)
        PartnerRoutes(desk: desk).add(to: routes, self)
        UserRoutes().add(to: routes, self)
        exports.add(to: routes, self)
        SegmentRoutes().add(to: routes, self)
        return routes.buildResponder()
    }

    /// Answers a service's request: its key stands in the header, and is judged before anything of the body is read.
    func answer(
        to request: Request, _ work: (ServiceCaller) async throws -> RESTAnswer
    ) async -> Response {
        await answer { try await work(try await ServiceCaller(request, desk)) }
    }

    /// Answers with what `work` returns, or with what its failure is called over HTTP.
    func answer(_ work: () async throws -> RESTAnswer) async -> Response {
        do {
            return try await work().response
        } catch let refusal as Refusal {
            return refusal.answer.response
        } catch let error as RPCError {
            return Refusal(error).answer.response
        } catch let error as JSONError {
            return Refusal(RPCError(error)).answer.response
        } catch {
            logger.error("A REST route failed", metadata: ["cause": "\(error)"])
            return Refusal(.internalServerError, "something went wrong in the server").answer.response
        }
    }
}

extension Request {
    /// The body as bytes, up to the limit.
    func bytes() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in body {
            guard bytes.count + part.readableBytes <= Limits.restBody.value else {
                throw Refusal(.contentTooLarge, "the body has more than \(Limits.restBody.value) bytes")
            }
            bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
    }

    /// The body's object, given to `read`.
    func json<R>(_ read: (JSONValue) throws -> R) async throws -> R {
        let bytes = try await bytes()
        return try bytes.withUnsafeBytes { try JSONReaders.shared.read($0, read) }
    }
}

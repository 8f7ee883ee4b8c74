import Hummingbird
import Logging
import MusterHTTP
import MusterProtocol

/// Everything that is known about one request, from the connection down to the call and back.
struct RESTContext: RequestContext {
    struct Source: RequestContextSource {
        let incoming: IncomingRequest
        let accounting: RequestAccounting
        let logger: Logger
    }

    /// Hummingbird's part: the route and the parameters of its path.
    var coreContext: CoreRequestContextStorage
    /// The request as its connection sees it.
    let incoming: IncomingRequest
    /// The slots that the request holds until its response is made.
    let accounting: RequestAccounting
    /// Set by the authentication of the route's group.
    var authenticated: Caller?
    /// The body of a request whose key is part of the body: it is decoded when the key is read.
    var decodedBody: Result<any Sendable, any Error>?

    init(source: Source) {
        coreContext = .init(source: source)
        (incoming, accounting) = (source.incoming, source.accounting)
    }

    /// When the request is given up: clients wait for two seconds. It moves while the client sends its body.
    var deadline: ContinuousClock.Instant { incoming.deadline(Limits.restTime) }

    /// Who sends the request. Throws on a route without authentication.
    var caller: Caller {
        get throws {
            guard let authenticated else { throw HTTPProblem(.unauthorized, "Unauthorized access") }
            return authenticated
        }
    }

    /// The body that the authentication decoded. Throws an `UnreadableBody` if it is not what the route takes.
    func body<Body: Sendable>(as _: Body.Type) throws -> Body {
        do {
            guard let body = try decodedBody?.get() as? Body else { throw UndecodedBody() }
            return body
        } catch let error as JSONError {
            throw UnreadableBody(error)
        }
    }
}

/// A route asks for another body than its group decodes.
private struct UndecodedBody: Error {}

/// A body that is JSON, and not what the route takes.
struct UnreadableBody: Error {
    let cause: JSONError

    init(_ cause: JSONError) { self.cause = cause }
}

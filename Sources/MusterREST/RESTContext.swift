import Hummingbird
import Logging
import MusterHTTP
import MusterProtocol

/// Everything that is known about one request, from the connection to the call and back.
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
    /// The slots that the request holds until its response is ready.
    let accounting: RequestAccounting
    /// Set by the authentication of the route's group.
    var authenticated: Caller?
    /// The decoded body of a request whose key is in the body: the body is decoded when the key is read.
    var decodedBody: Result<any Sendable, any Error>?

    init(source: Source) {
        coreContext = .init(source: source)
        (incoming, accounting) = (source.incoming, source.accounting)
    }

    /// When the request times out: clients wait for two seconds. It moves while the client sends its body.
    var deadline: ContinuousClock.Instant { incoming.deadline(Limits.restTime) }

    /// The authenticated caller. Throws on a route without authentication.
    var caller: Caller {
        get throws {
            guard let authenticated else { throw HTTPProblem(.unauthorized, "Unauthorized access") }
            return authenticated
        }
    }

    /// The body that the authentication decoded. Throws an `UnreadableBody` if the route expects a different shape.
    func body<Body: Sendable>(as _: Body.Type) throws -> Body {
        do {
            guard let body = try decodedBody?.get() as? Body else { throw UndecodedBody() }
            return body
        } catch let error as JSONError {
            throw UnreadableBody(error)
        }
    }
}

/// A route asks for a different body than its group decodes.
private struct UndecodedBody: Error {}

/// A body that is JSON but not of the shape that the route expects.
struct UnreadableBody: Error {
    let cause: JSONError

    init(_ cause: JSONError) { self.cause = cause }
}

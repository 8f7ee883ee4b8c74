import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterProtocol
import NIOCore

/// An answer: a status and a JSON object that always has `message`, since Braze's clients read it unasked.
struct RESTAnswer: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields = [:]
    var body: [UInt8]

    /// - Parameter body: an object with a field `message`.
    init(_ status: HTTPResponse.Status, _ body: some Encodable) {
        self.status = status
        do { self.body = try JSONEncoding.encode(body) } catch {
            self.status = .internalServerError
            self.body = Array(#"{"message":"something went wrong in the server"}"#.utf8)
        }
    }

    var response: Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// The least that an answer says.
struct Message: Encodable {
    let message: String

    static let success = Message(message: "success")
}

/// A request that is refused, with the status and the words of the contract.
struct Refusal: Error {
    let status: HTTPResponse.Status
    let message: String
    var details: RPCError.Details = [:]

    init(_ status: HTTPResponse.Status, _ message: String) {
        (self.status, self.message) = (status, message)
    }

    /// What a call's failure is called over HTTP. Never a 4xx for a passing fault but 423 and 429, which connectors repeat.
    init(_ error: RPCError) {
        (status, message, details) = (Self.status(of: error), error.message, error.details)
    }

    private static func status(of error: RPCError) -> HTTPResponse.Status {
        switch error.code {
        case .invalidArgument, .outOfRange, .alreadyExists: .badRequest
        case .unauthenticated: .unauthorized
        case .permissionDenied: .forbidden
        case .notFound: .notFound
        case .unimplemented: .notFound
        case .failedPrecondition: .unprocessableContent
        case .aborted: .init(code: 423, reasonPhrase: "Locked")
        case .deadlineExceeded: .gatewayTimeout
        // A limit that the caller has reached, and not a shortage of the server's.
        case .resourceExhausted where error.details.string("limit") != nil: .tooManyRequests
        case .resourceExhausted, .unavailable, .unknown, .cancelled: .serviceUnavailable
        case .internal, .dataLoss: .internalServerError
        }
    }

    var answer: RESTAnswer {
        var answer = RESTAnswer(status, Message(message: message))
        if status.code == 423 || status.code == 429 || status.code == 503 {
            let milliseconds = details.integer("retry_after_ms") ?? 1_000
            answer.headers[.retryAfter] = String(max(1, (milliseconds + 999) / 1_000))
        }
        return answer
    }
}

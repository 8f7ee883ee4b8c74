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
    /// What the caller may still send; nil where nobody was recognised, or nothing is counted.
    var rate: RateStatus?

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
        // Clients read the three of every answer; Braze leaves them empty where it knows nobody.
        let known = status == .unauthorized ? nil : rate
        headers[.rateLimit] = known.map { String($0.limit) } ?? ""
        headers[.rateRemaining] = known.map { String($0.remaining) } ?? ""
        headers[.rateReset] = resetsAt(known)
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension RESTAnswer {
    /// When more may be sent, in seconds since 1970: the end of the hour, or, where the hour has room, when what is in the way may
    /// have passed. Braze's Python client waits until then after a 429, gives up where that is late, and fails over an empty header.
    private func resetsAt(_ rate: RateStatus?) -> String {
        let isPassing = status == .tooManyRequests || status == .serviceUnavailable && rate != nil
        if isPassing, rate?.remaining != 0, let seconds = headers[.retryAfter].flatMap({ Int64($0) }) {
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

/// The least that an answer says.
struct Message: Encodable {
    let message: String

    static let success = Message(message: "success")
}

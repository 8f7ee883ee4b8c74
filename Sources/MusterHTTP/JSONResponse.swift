public import HTTPTypes
public import HummingbirdCore
import MusterProtocol
import NIOCore

/// A response with a status and a JSON object.
public struct JSONResponse: Sendable {
    /// The HTTP status.
    public var status: HTTPResponse.Status
    /// Header fields beside `Content-Type`.
    public var headers: HTTPFields = [:]
    /// The encoded object.
    public var body: [UInt8]

    /// - Parameter body: an object with a field `message`, which clients read without checking.
    public init(_ status: HTTPResponse.Status, _ body: some Encodable) {
        self.status = status
        do { self.body = try JSONEncoding.encode(body) } catch {
            self.status = .internalServerError
            self.body = Array(#"{"message":"something went wrong in the server"}"#.utf8)
        }
    }

    /// The response as Hummingbird's routes return it.
    public var response: Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// The smallest body of a response.
public struct Message: Encodable, Sendable {
    /// The outcome, for people.
    public let message: String

    /// A body that says `message` and nothing else.
    public init(message: String) { self.message = message }

    /// `{"message": "success"}`
    public static let success = Message(message: "success")
}

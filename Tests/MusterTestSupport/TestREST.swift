import AsyncHTTPClient
import MusterHTTP
public import MusterProtocol
import NIOCore
import NIOHTTP1

/// An answer of the REST endpoint.
public struct RESTReply: Sendable {
    public let status: Int
    public let headers: [String: String]
    public let body: [UInt8]

    /// The body, which every answer has.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body, decoded as this type.
    public func decode<T: Decodable>(_: T.Type = T.self) throws -> T { try JSONDecoding.decode(from: body) }
}

/// The answer lacks a header that every answer must have.
public struct MissingHeader: Error {
    public let name: String
    public let status: Int
}

extension TestServer {
    /// Sends a request over a real socket. Throws where the answer lacks one of the three headers that every answer
    /// has.
    ///
    /// - Parameters:
    ///   - path: includes the query.
    ///   - body: JSON, well-formed or not; nil sends no body.
    ///   - bearer: a service key for the Authorization header.
    public func rest(
        _ method: String = "POST", _ path: String, _ body: String? = nil, bearer: String? = nil,
        headers: [String: String] = [:]
    ) async throws -> RESTReply {
        let reply = try await sendHTTP(
            method, "http://127.0.0.1:\(try await restPort())\(path)", body, bearer: bearer, headers: headers)
        for name in ["limit", "remaining", "reset"] where reply.headers["x-ratelimit-\(name)"] == nil {
            throw MissingHeader(name: "X-RateLimit-\(name)", status: reply.status)
        }
        return reply
    }

    /// The port of the REST endpoint, once it listens.
    public func restPort() async throws -> Int {
        for _ in 0..<500 {
            if let port = rest.boundPort { return port }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw RPCError(.unavailable, "the REST endpoint did not start")
    }
}

/// Sends a request over a real socket to any server.
public func sendHTTP(
    _ method: String, _ url: String, _ body: String? = nil, bearer: String? = nil, headers: [String: String] = [:]
) async throws -> RESTReply {
    var request = HTTPClientRequest(url: url)
    request.method = .init(rawValue: method)
    if let body {
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(string: body))
    }
    if let bearer { request.headers.add(name: "authorization", value: "Bearer \(bearer)") }
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    let bytes = try await response.body.collect(upTo: 64 << 20)
    return RESTReply(
        status: Int(response.status.code),
        headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { $1 },
        body: Array(bytes.readableBytesView))
}

/// The body of an error.
public struct RESTProblem: Decodable, Sendable {
    /// What programs read of it.
    public struct Details: Decodable, Sendable {
        public let field: String?
        public let reason: String?
        public let limit: String?
        public let limitValue: Int?

        enum CodingKeys: String, CodingKey {
            case field, reason, limit
            case limitValue = "limit_value"
        }
    }

    public let message: String
    public let errors: [String]?
    public let details: Details?

    /// Whether it names a limit and its value, in its details and in a sentence.
    public func names(_ limit: Limit, as value: Int) -> Bool {
        let sentences = ([message] + (errors ?? [])).joined(separator: "\n")
        return details?.limit == limit.name && details?.limitValue == value
            && sentences.contains(limit.name) && sentences.contains("\(value)")
    }
}

extension RESTReply {
    /// The body as an error.
    public var problem: RESTProblem { get throws { try decode() } }
}

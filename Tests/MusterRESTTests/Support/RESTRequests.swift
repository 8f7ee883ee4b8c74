import MusterHandlers
import MusterProtocol
import MusterTestSupport

extension MusterUnderTest {
    /// Sends a request with the workspace's admin key.
    func admin(
        _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:]
    ) async throws -> RESTReply {
        try await server.rest(method, path, body, bearer: server.workspace.adminKey.text, headers: headers)
    }

    /// Posts a body with the workspace's admin key.
    func post(_ path: String, _ body: String, headers: [String: String] = [:]) async throws -> RESTReply {
        try await admin("POST", path, body, headers: headers)
    }
}

/// The body of an error.
struct RESTProblem: Decodable {
    struct Details: Decodable {
        let field: String?
        let reason: String?
        let limit: String?
        let limitValue: Int?

        enum CodingKeys: String, CodingKey {
            case field, reason, limit
            case limitValue = "limit_value"
        }
    }

    let message: String
    let errors: [String]?
    let details: Details?

    /// Whether it names a limit and its value, in its details and in a sentence.
    func names(_ limit: Limit, as value: Int) -> Bool {
        let sentences = ([message] + (errors ?? [])).joined(separator: "\n")
        return details?.limit == limit.name && details?.limitValue == value
            && sentences.contains(limit.name) && sentences.contains("\(value)")
    }
}

extension RESTReply {
    /// The body as an error.
    var problem: RESTProblem { get throws { try decode() } }
}

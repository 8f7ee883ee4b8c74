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

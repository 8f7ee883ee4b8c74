import MusterProtocol
import MusterTestSupport
import Testing

/// The response to a request for an export.
struct BegunExport: Decodable {
    let message: String
    let objectPrefix: String
    let url: String

    enum CodingKeys: String, CodingKey {
        case message, url
        case objectPrefix = "object_prefix"
    }
}

extension MusterUnderTest {
    /// Saves a segment with its id as its name.
    func saveSegment(_ filter: Filter, id: String = "s") async throws {
        _ = try await send(CreateSegment(segmentID: Identifier(id), name: id, filter: filter))
    }

    /// Begins an export of a segment.
    func beginExport(_ body: String = #"{"segment_id":"s"}"#) async throws -> BegunExport {
        let reply = try await post("/users/export/segment", body)
        #expect(reply.status == 201, "\(reply.text)")
        let begun = try reply.decode(BegunExport.self)
        #expect(begun.message == "success")
        return begun
    }

    /// Downloads from the URL of an export through this server, without a key; the host of the URL is ignored.
    func fetch(_ url: String) async throws -> RESTReply {
        let path = url.hasPrefix("/") ? url : "/" + url.split(separator: "/").dropFirst(2).joined(separator: "/")
        return try await server.rest("GET", path)
    }
}

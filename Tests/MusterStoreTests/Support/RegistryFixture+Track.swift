import MusterProtocol
import Testing

@testable import MusterStore

extension RegistryFixture {
    /// Runs `users.track` on the objects that this JSON has.
    @discardableResult
    func track(_ json: String, requestID: Identifier? = nil) async throws -> TrackUsers.Reply {
        let call: TrackUsers = try JSONDecoding.decode(from: Array(json.utf8))
        return try await users.track(
            call, request: key(TrackUsers.method, requestID))
    }

    /// What attributes of a user are, as JSON with sorted names, once these are set; or what is wrong.
    func expect(
        _ attributes: String, of user: Identifier = "u", gives expected: String,
        at fixture: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await after(attributes, of: user)
        #expect(found == expected, sourceLocation: fixture)
    }

    /// What is said of an attribute that can't be changed so, being of no such kind.
    static func unfit(_ name: String, _ kind: String) -> String {
        "'\(name)' is not valid: the user's is no \(kind)"
    }

    /// Sets attributes of one user and returns what they are then, as JSON with sorted names.
    func after(_ attributes: String, of user: Identifier = "u") async throws -> String {
        let reply = try await track(#"{"attributes":[{"external_id":"\#(user.text)",\#(attributes)}]}"#)
        if let error = reply.errors.first { return error.type }
        let stored = try await get(.externalID(user))?.attributes.entries ?? []
        let sorted = Attributes(stored.sorted { $0.name.lexicographicallyPrecedes($1.name) })
        return String(decoding: try JSONEncoding.encode(sorted), as: UTF8.self)
    }
}

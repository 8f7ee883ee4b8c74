/// Tells whether the server can serve now.
public struct GetHealth: ReadingCall {
    public static let method = "server.health"
    public static let summary =
        "Tells whether the server can serve: its database answers and has a supported schema."
    public static let notes = """
        - `status`: `serving`, or `draining` while the server shuts down. If PostgreSQL is unavailable, the call itself is `UNAVAILABLE`.
        - What is said of the database was true at most about a second ago. `draining` is never from memory.
        """
    public static let example = (call: Self(), reply: Reply(status: .serving))

    public init() {}

    public init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: NoFields.self) }

    public struct Reply: Codable, Sendable, Equatable {
        public var status: Status

        public init(status: Status) {
            self.status = status
        }
    }

    public enum Status: String, Codable, Sendable, CaseIterable {
        case serving, draining
    }
}

extension GetHealth {
    public static func plain(_ body: JSONValue) -> Self? { body.kind == .object && body.count == 0 ? Self() : nil }

    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        switch reply.status {
        case .serving: bytes.append(text: "{\"status\":\"serving\"}")
        case .draining: bytes.append(text: "{\"status\":\"draining\"}")
        }
    }
}

/// The first call on a connection.
public struct OpenSession: Call {
    public static let method = "session.open"
    public static let summary = "Authenticates the caller; the first call on every connection."
    public static let notes = """
        - `key`: a service key or a data import key. It determines the workspace.
        - The reply has the public id of the key (`key_id`), its `workspace`, its `scopes`, and for a data import key its `partner`.
        - A key that is unknown, invalidated, expired or malformed is refused with `UNAUTHENTICATED`, always with the same message, and the connection is closed.
        - Until this call is answered, a frame has at most 16 KiB. A connection without a session after 10 seconds is closed.
        """
    public static let example = (
        call: Self(key: "mus_srv_1_…"),
        reply: Reply(workspace: "acme", keyID: "k_3f9a1c07be42", scopes: ["segments.*", "users.get"])
    )
    public var key: String

    enum CodingKeys: String, CodingKey, CaseIterable { case key }

    public init(key: String) {
        self.key = key
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var workspace: String
        public var keyID: String
        public var scopes: [String]
        public var partner: String?

        enum CodingKeys: String, CodingKey {
            case workspace
            case keyID = "key_id"
            case scopes, partner
        }

        public init(workspace: String, keyID: String, scopes: [String], partner: String? = nil) {
            self.workspace = workspace
            self.keyID = keyID
            self.scopes = scopes
            self.partner = partner
        }
    }

    public var isSafeToRepeat: Bool { true }
}

extension OpenSession: CustomStringConvertible, CustomReflectable {
    /// Never the key.
    public var description: String { "session.open" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

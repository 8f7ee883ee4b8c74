/// The kind of a key.
public enum KeyKind: String, Codable, Sendable, CaseIterable {
    /// A partner's data import key (`client_secret` on the REST wire).
    case `import`
    /// A backend service or an operator.
    case service

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}

/// Creates a key and shows its secret once.
public struct CreateKey: Call {
    public static let method = "keys.create"
    public static let summary =
        "Creates a data import key for a partner, or a service key with scopes, and shows its secret once."
    public static let notes = """
        - `kind`: `import` (then `partner`, and no `scopes`) or `service` (then `scopes`, and no `partner`).
        - `scopes`: method names such as `segments.check`, all of a noun (`segments.*`), or everything (`*`). Braze's permissions are scopes too: most are methods' names, the others, such as `segments.details`, stand for the call behind their route. A scope that the caller's key lacks is `PERMISSION_DENIED`, including those of an import key.
        - `name`: a display name, up to 512 bytes. `expires_at`: optional; when the key expires.
        - A partner may have several valid keys, so that a new one can be deployed before the old one is invalidated. A partner that does not exist is created.
        - `secret` is shown only here: Muster keeps its SHA-256. `key_id` is public and appears in logs and lists.
        - Not safe to repeat: after a lost answer, the key exists but its secret is unknown. List the keys and invalidate it.
        """
    public static let example = (
        call: Self(kind: .import, partner: "tinyclues", name: "Tinyclues production"),
        reply: Reply(keyID: "k_3f9a1c07be42", secret: "mus_imp_1_…")
    )
    public var kind: KeyKind
    public var partner: String?
    public var name: String
    public var scopes: [String]?
    public var expiresAt: Instant?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case kind, partner, name, scopes
        case expiresAt = "expires_at"
    }

    public init(
        kind: KeyKind, partner: String? = nil, name: String, scopes: [String]? = nil, expiresAt: Instant? = nil
    ) {
        self.kind = kind
        self.partner = partner
        self.name = name
        self.scopes = scopes
        self.expiresAt = expiresAt
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var keyID: String
        public var secret: String

        enum CodingKeys: String, CodingKey {
            case keyID = "key_id"
            case secret
        }

        public init(keyID: String, secret: String) {
            self.keyID = keyID
            self.secret = secret
        }
    }

    public var isSafeToRepeat: Bool { false }
}

extension CreateKey.Reply: CustomStringConvertible, CustomReflectable {
    /// Never the secret.
    public var description: String { "key \(keyID)" }
    public var customMirror: Mirror { Mirror(self, children: ["keyID": keyID]) }
}

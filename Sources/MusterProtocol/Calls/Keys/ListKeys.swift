/// The keys of the workspace.
public struct ListKeys: PagedCall {
    public static let method = "keys.list"
    public static let summary = "Lists the keys of the workspace, oldest first; never a secret."
    public static let notes = """
        - `keys`: each with everything except its secret.
        - `partner`: only the data import keys of that partner.
        - `invalidated_at` is present if the key was invalidated, `expires_at` if it has one, `last_used_at` if it was used, rounded to the hour but never before `created_at`.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(partner: "tinyclues"),
        reply: Reply(keys: [
            .init(
                keyID: "k_3f9a1c07be42", kind: .import, partner: "tinyclues", name: "Tinyclues production", scopes: [],
                createdAt: Instant(microseconds: 1_763_900_000_000_000))
        ])
    )
    public var partner: String?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(partner: String? = nil, pageSize: Int? = nil, pageToken: String? = nil) {
        self.partner = partner
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var keys: [KeyInfo]
        public var nextPageToken: String?
        public var entries: [KeyInfo] { keys }

        enum CodingKeys: String, CodingKey {
            case keys
            case nextPageToken = "next_page_token"
        }

        public init(keys: [KeyInfo], nextPageToken: String? = nil) {
            self.keys = keys
            self.nextPageToken = nextPageToken
        }
    }
}

/// A key as it is shown: everything but its secret.
public struct KeyInfo: Codable, Sendable, Equatable {
    public var keyID: String
    public var kind: KeyKind
    public var partner: String?
    public var name: String
    public var scopes: [String]
    public var createdAt: Instant
    public var expiresAt: Instant?
    public var invalidatedAt: Instant?
    public var lastUsedAt: Instant?

    enum CodingKeys: String, CodingKey {
        case keyID = "key_id"
        case kind, partner, name, scopes
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case invalidatedAt = "invalidated_at"
        case lastUsedAt = "last_used_at"
    }

    public init(
        keyID: String, kind: KeyKind, partner: String? = nil, name: String, scopes: [String], createdAt: Instant,
        expiresAt: Instant? = nil, invalidatedAt: Instant? = nil, lastUsedAt: Instant? = nil
    ) {
        self.keyID = keyID
        self.kind = kind
        self.partner = partner
        self.name = name
        self.scopes = scopes
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.invalidatedAt = invalidatedAt
        self.lastUsedAt = lastUsedAt
    }
}

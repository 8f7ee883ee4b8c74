/// The receipts of imports.
public struct ListImports: PagedCall {
    public static let method = "cohorts.imports"
    public static let summary =
        "Lists the receipts of a partner's imports, or of one cohort's, newest first, or shows one of them with all outcomes."
    public static let notes = """
        - `partner`: the partner. `cohort_id`: only imports into this cohort; by default all of the partner's. `imports`: the imports with their receipts.
        - `request_id`: only the import with this id; it needs no `cohort_id`, because request ids are unique among a partner's imports. `version`: only that import of the cohort. A single import has `outcomes`: the outcome of every identifier, as runs in the order of the request, and `shape`: the numbers of `user_ids`, `device_ids` and `aliases` in each object of the request. An unknown import, or one of a deleted cohort, is `NOT_FOUND`.
        - `key_id`: the key that sent it.
        - A data import key can read the receipts of its own partner.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(partner: "tinyclues", cohortID: "win-back", version: 1),
        reply: Reply(imports: [
            .init(
                cohortID: "win-back", version: 1, requestID: "7f3c", keyID: "k_3f9a1c07be42",
                importedAt: Instant(microseconds: 1_763_900_000_000_000), size: 1,
                receipt: .init(received: 2, added: 1, unknown: 1),
                outcomes: [OutcomeRun(.added, 1), OutcomeRun(.unknown, 1)],
                shape: [ChangeShape(userIDs: 2, deviceIDs: 0, aliases: 0)])
        ])
    )
    public var partner: String
    public var cohortID: Identifier?
    public var version: Int64?
    public var requestID: Identifier?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case version
        case requestID = "request_id"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        partner: String, cohortID: Identifier? = nil, version: Int64? = nil, requestID: Identifier? = nil,
        pageSize: Int? = nil, pageToken: String? = nil
    ) {
        self.partner = partner
        self.cohortID = cohortID
        self.version = version
        self.requestID = requestID
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var imports: [ImportInfo]
        public var nextPageToken: String?
        public var entries: [ImportInfo] { imports }

        enum CodingKeys: String, CodingKey {
            case imports
            case nextPageToken = "next_page_token"
        }

        public init(imports: [ImportInfo], nextPageToken: String? = nil) {
            self.imports = imports
            self.nextPageToken = nextPageToken
        }
    }
}

/// One import as it was applied.
public struct ImportInfo: Codable, Sendable, Equatable {
    public var cohortID: Identifier
    public var version: Int64
    public var requestID: Identifier?
    public var keyID: String
    public var importedAt: Instant
    /// The number of members afterwards.
    public var size: Int
    public var receipt: Receipt
    public var outcomes: [OutcomeRun]?
    /// An entry for each object of the request.
    public var shape: [ChangeShape]?

    enum CodingKeys: String, CodingKey {
        case cohortID = "cohort_id"
        case version
        case requestID = "request_id"
        case keyID = "key_id"
        case importedAt = "imported_at"
        case size, receipt, outcomes, shape
    }

    public init(
        cohortID: Identifier, version: Int64, requestID: Identifier? = nil, keyID: String, importedAt: Instant,
        size: Int, receipt: Receipt,
        outcomes: [OutcomeRun]? = nil, shape: [ChangeShape]? = nil
    ) {
        self.cohortID = cohortID
        self.version = version
        self.requestID = requestID
        self.keyID = keyID
        self.importedAt = importedAt
        self.size = size
        self.receipt = receipt
        self.outcomes = outcomes
        self.shape = shape
    }
}

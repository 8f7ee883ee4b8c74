import MusterProtocol

/// Who sends a partner request. Read before all else of it, and never echoed.
struct Credentials: Decodable {
    let clientSecret: String
    let partnerAPIKey: String?

    enum CodingKeys: String, CodingKey {
        case clientSecret = "client_secret"
        case partnerAPIKey = "partner_api_key"
    }
}

/// The body of `/partners/{partner}/cohorts`.
struct NameBody: Decodable {
    let cohortID: Identifier
    let name: String
    let createdAt: Instant

    enum CodingKeys: String, CodingKey {
        case cohortID = "cohort_id"
        case name
        case createdAt = "created_at"
    }
}

/// The body of `/partners/{partner}/cohorts/users`.
struct ChangeBody: Decodable {
    let cohortID: Identifier
    let changes: [CohortChange]

    enum CodingKeys: String, CodingKey {
        case cohortID = "cohort_id"
        case changes = "cohort_changes"
    }
}

/// The answer to an import: Braze's, and Muster's receipt.
struct Imported: Encodable {
    let message = "success"
    let receipt: Receipt
    let version: Int64
    let size: Int

    init(_ reply: ImportCohort.Reply) {
        (receipt, version, size) = (reply.receipt, reply.version, reply.size)
    }

    enum CodingKeys: String, CodingKey {
        case message
        case `import`
    }
    enum ImportKeys: String, CodingKey { case version, size, receipt }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(message, forKey: .message)
        var nested = container.nestedContainer(keyedBy: ImportKeys.self, forKey: .import)
        try nested.encode(version, forKey: .version)
        try nested.encode(size, forKey: .size)
        try nested.encode(receipt, forKey: .receipt)
    }
}

import MusterProtocol

/// The body of `/partners/{partner}/cohorts`.
struct CreateCohortRequest: Decodable {
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
struct ImportCohortRequest: Decodable {
    let cohortID: Identifier
    let changes: [CohortChange]
    /// Muster's own field, as in `cohorts.import`.
    let mustExist: Bool?

    enum CodingKeys: String, CodingKey {
        case cohortID = "cohort_id"
        case changes = "cohort_changes"
        case mustExist = "must_exist"
    }

    /// The number of identifiers, over all kinds and objects.
    var identifierCount: Int { changes.reduce(0) { $0 + $1.identifierCount } }
}

/// An import as partners see it.
struct ImportBody: Encodable {
    /// Nil if nothing was imported.
    let id: ImportName?
    let cohortID: Identifier
    let version: Int64
    let size: Int
    let receipt: Receipt
    var importedAt: Instant?
    var idempotencyKey: Identifier?
    var outcomes: [PlacedOutcome]?

    enum CodingKeys: String, CodingKey {
        case id
        case cohortID = "cohort_id"
        case version, size, receipt
        case importedAt = "imported_at"
        case idempotencyKey = "idempotency_key"
        case outcomes
    }

    /// An import from its reply. One without identifiers has no name, since there is nothing to look up by it.
    init(_ reply: ImportCohort.Reply, of cohortID: Identifier) {
        id = reply.receipt.received == 0 ? nil : ImportName(cohortID: cohortID, version: reply.version)
        self.cohortID = cohortID
        (version, size, receipt) = (reply.version, reply.size, reply.receipt)
    }

    /// An import as it was recorded, with the outcome of each identifier.
    init(_ recorded: ImportInfo) {
        id = ImportName(cohortID: recorded.cohortID, version: recorded.version)
        cohortID = recorded.cohortID
        (version, size, receipt) = (recorded.version, recorded.size, recorded.receipt)
        (importedAt, idempotencyKey) = (recorded.importedAt, recorded.requestID)
        outcomes = PlacedOutcome.all(recorded.outcomes ?? [], in: recorded.shape ?? [])
    }
}

/// The body of a response to an import: Braze's `message`, and Muster's receipt.
struct Imported: Encodable {
    let message = "success"
    let `import`: ImportBody
}

/// The outcome of one identifier, with its position in the request: `cohort_changes[object][kind][position]`.
struct PlacedOutcome: Encodable, Equatable {
    enum Kind: String, Encodable {
        case userIDs = "user_ids"
        case deviceIDs = "device_ids"
        case aliases
    }

    let object: Int
    let kind: Kind
    let position: Int
    let outcome: Outcome

    /// All outcomes of an import, in the order of its request.
    static func all(_ runs: [OutcomeRun], in shape: [ChangeShape]) -> [PlacedOutcome] {
        var outcomes = runs.lazy.flatMap { repeatElement($0.outcome, count: $0.count) }.makeIterator()
        var placed: [PlacedOutcome] = []
        for (object, counts) in shape.enumerated() {
            let kinds: [(Kind, Int)] = [
                (.userIDs, counts.userIDs), (.deviceIDs, counts.deviceIDs), (.aliases, counts.aliases),
            ]
            for (kind, count) in kinds {
                for position in 0..<count {
                    guard let outcome = outcomes.next() else { return placed }
                    placed.append(.init(object: object, kind: kind, position: position, outcome: outcome))
                }
            }
        }
        return placed
    }
}

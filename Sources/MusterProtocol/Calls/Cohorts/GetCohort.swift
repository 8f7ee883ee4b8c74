/// One cohort.
public struct GetCohort: ReadingCall {
    public static let method = "cohorts.get"
    public static let summary = "Shows a cohort: its name, version, size, and the time of its last import."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort. An unknown one is `NOT_FOUND`.
        - `name`: the display name. `version` counts the cohort's changes without gaps. `size`: the number of members.
        - `created_at`: when it was created, or the time that its partner gave. `last_import_at`: absent before the first import.
        """
    public static let example = (
        call: Self(partner: "tinyclues", cohortID: "win-back"),
        reply: CohortInfo(
            partner: "tinyclues", cohortID: "win-back", name: "Win back, spring", version: 1, size: 1,
            createdAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var partner: String
    public var cohortID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
    }

    public init(partner: String, cohortID: Identifier) {
        self.partner = partner
        self.cohortID = cohortID
    }

    public typealias Reply = CohortInfo
}

/// A cohort as it is shown.
public struct CohortInfo: Codable, Sendable, Equatable {
    public var partner: String
    public var cohortID: Identifier
    public var name: String
    public var version: Int64
    public var size: Int
    public var createdAt: Instant
    public var lastImportAt: Instant?

    enum CodingKeys: String, CodingKey {
        case partner
        case cohortID = "cohort_id"
        case name, version, size
        case createdAt = "created_at"
        case lastImportAt = "last_import_at"
    }

    public init(
        partner: String, cohortID: Identifier, name: String, version: Int64, size: Int, createdAt: Instant,
        lastImportAt: Instant? = nil
    ) {
        self.partner = partner
        self.cohortID = cohortID
        self.name = name
        self.version = version
        self.size = size
        self.createdAt = createdAt
        self.lastImportAt = lastImportAt
    }
}

/// Creates or renames a cohort.
public struct CreateCohort: Call {
    public static let method = "cohorts.create"
    public static let summary = "Creates a cohort with a name, or renames it; safe to repeat."
    public static let notes = """
        - `partner`, `cohort_id` (up to 256 bytes): the cohort. `name`: the display name, up to 512 bytes; not unique.
        - `created_at`: optional; only used when this call creates the cohort.
        - `outcome`: `created`, `renamed` or `unchanged`; `version` and `size` of the cohort, 0 for a new one. A partner that does not exist is `NOT_FOUND`.
        - A data import key can do this for its own partner.
        """
    public static let example = (
        call: Self(partner: "tinyclues", cohortID: "win-back", name: "Win back, spring"),
        reply: Reply(outcome: .created, version: 0, size: 0)
    )
    public var partner: String
    public var cohortID: Identifier
    public var name: String
    public var createdAt: Instant?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case name
        case createdAt = "created_at"
    }

    public init(partner: String, cohortID: Identifier, name: String, createdAt: Instant? = nil) {
        self.partner = partner
        self.cohortID = cohortID
        self.name = name
        self.createdAt = createdAt
    }

    public struct Reply: Codable, Sendable, Equatable {
        public enum Outcome: String, Codable, Sendable, CaseIterable {
            case created, renamed, unchanged
        }

        public var outcome: Outcome
        public var version: Int64
        public var size: Int

        public init(outcome: Outcome, version: Int64, size: Int) {
            self.outcome = outcome
            self.version = version
            self.size = size
        }
    }

    public var isSafeToRepeat: Bool { true }
}

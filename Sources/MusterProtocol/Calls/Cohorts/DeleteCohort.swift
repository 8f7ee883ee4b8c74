/// Deletes a cohort.
public struct DeleteCohort: Call {
    public static let method = "cohorts.delete"
    public static let summary = "Deletes a cohort with its members, history and receipts."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort.
        - Refused with `FAILED_PRECONDITION` while segments use it; the message names them.
        - An unknown cohort is `NOT_FOUND`. The id may be used again for a new, empty cohort.
        """
    public static let example = (call: Self(partner: "tinyclues", cohortID: "win-back"), reply: Done())
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

    public typealias Reply = Done

    public var isSafeToRepeat: Bool { false }
}

/// A partner's change of a cohort.
public struct ImportCohort: RecordedCall {
    public static let method = "cohorts.import"
    public static let summary =
        "Adds users to a cohort and removes users from it, with a receipt for every identifier."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort.
        - `cohort_changes`: objects with `user_ids`, `device_ids`, `aliases` and `should_remove` (default false), applied in order: if a user is named twice, the last one decides. Up to 50,000 identifiers in total.
        - With at least one identifier, the import creates one new `version`, even if it changes no membership; a cohort that does not exist is created, with its id as its name. Without identifiers it creates nothing and returns the current version, 0 without a cohort. `size`: the number of members afterwards.
        - `must_exist`: true refuses an import into a cohort that does not exist with `NOT_FOUND`, so that a mistyped `cohort_id` creates none; create cohorts with `cohorts.create` then. Default false.
        - No user is ever created. A device matches an anonymous user only.
        - `receipt`: `received` = `added` + `removed` + `unchanged` + `unknown` + `identified_device` + `invalid` + `repeated`. Each occurrence counts once; if several find the same user, the last one decides and the others are `repeated`.
        - `with_outcomes`: also `outcomes`, the outcome of every identifier, as runs in the order of the request (object by object; in each `user_ids`, `device_ids`, `aliases`). `cohorts.imports` shows them later too.
        - `request_id`: optional; its scope is the workspace and partner. A repeat returns the recorded answer; the same id with other changes, or another `must_exist`, is `FAILED_PRECONDITION` and changes nothing.
        - `ABORTED`: another change locks the cohort for too long; try again with the same `request_id`. `UNKNOWN`: the outcome could not be determined; repeat the call with the same `request_id`.
        """
    public static let example = (
        call: Self(
            partner: "tinyclues", cohortID: "win-back", requestID: "7f3c",
            changes: [.adding(userIDs: ["u-1", "u-404"])]),
        reply: Reply(version: 1, size: 1, receipt: .init(received: 2, added: 1, unknown: 1))
    )
    public var partner: String
    public var cohortID: Identifier
    public var requestID: Identifier?
    public var changes: [CohortChange]
    public var withOutcomes: Bool?
    public var mustExist: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case requestID = "request_id"
        case changes = "cohort_changes"
        case withOutcomes = "with_outcomes"
        case mustExist = "must_exist"
    }

    public init(
        partner: String, cohortID: Identifier, requestID: Identifier? = nil, changes: [CohortChange],
        withOutcomes: Bool? = nil, mustExist: Bool? = nil
    ) {
        self.partner = partner
        self.cohortID = cohortID
        self.requestID = requestID
        self.changes = changes
        self.withOutcomes = withOutcomes
        self.mustExist = mustExist
    }

    public struct Reply: Codable, Sendable, Equatable {
        /// The cohort's version after this import; 0 where there is no cohort.
        public var version: Int64
        /// Its members after this import.
        public var size: Int
        public var receipt: Receipt
        public var outcomes: [OutcomeRun]?

        public init(version: Int64, size: Int, receipt: Receipt, outcomes: [OutcomeRun]? = nil) {
            self.version = version
            self.size = size
            self.receipt = receipt
            self.outcomes = outcomes
        }
    }
}

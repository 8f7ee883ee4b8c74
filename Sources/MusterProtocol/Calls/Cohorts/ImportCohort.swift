/// A partner's change of a cohort.
public struct ImportCohort: RecordedCall {
    public static let method = "cohorts.import"
    public static let summary =
        "Adds users to a cohort and removes users from it, and gives a receipt for every identifier."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort.
        - `cohort_changes`: objects with `user_ids`, `device_ids`, `aliases` and `should_remove` (default false), applied in order: for a user named twice the last one wins. Up to 50,000 identifiers over all of them.
        - With at least one identifier this is one change with one new `version`, even where nobody's membership changed; a cohort that does not exist is made, named by its id. With none it makes nothing and answers the current version, 0 for no cohort. `size`: the members afterwards.
        - `must_exist`: true refuses an import into a cohort that does not exist with `NOT_FOUND`, so that a mistyped `cohort_id` makes none; name cohorts with `cohorts.create` then. Default false.
        - No user is ever created. A device matches an anonymous user only.
        - `receipt`: `received` = `added` + `removed` + `unchanged` + `unknown` + `identified_device` + `invalid` + `repeated`. Each occurrence counts once; of several that find one user the last decides and the others are `repeated`.
        - `with_outcomes`: also `outcomes`, what became of every identifier, as runs in the order of the request (object by object; in each `user_ids`, `device_ids`, `aliases`). `cohorts.imports` shows them later too.
        - `request_id`: optional; scope is the workspace and partner. A repeat gets the recorded answer; the same id with other changes, or another `must_exist`, is `FAILED_PRECONDITION` and changes nothing.
        - Another change that holds the cohort for too long: `ABORTED`, try again with the same `request_id`. `UNKNOWN`: the outcome could not be found out; send it again with the same `request_id`.
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

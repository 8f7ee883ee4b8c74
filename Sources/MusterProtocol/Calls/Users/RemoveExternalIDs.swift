/// Removes deprecated external ids.
public struct RemoveExternalIDs: RecordedCall {
    public static let method = "users.external_ids.remove"
    public static let summary = "Removes deprecated external ids: they match no user then, and may be assigned again."
    public static let notes = """
        - `external_ids`: 1 to 50, all deprecated by `users.external_ids.rename`. A user's current external id can't be removed.
        - `results` are in their order: `removed`, `not_deprecated` (it is a user's current external id) or `unknown`. `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(externalIDs: ["u-7"], requestID: "ids-2028"), reply: Reply(results: [.removed])
    )
    public var externalIDs: [Identifier]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case externalIDs = "external_ids"
        case requestID = "request_id"
    }

    public init(externalIDs: [Identifier], requestID: Identifier? = nil) {
        self.externalIDs = externalIDs
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var results: [RemovalOutcome]

        public init(results: [RemovalOutcome]) {
            self.results = results
        }
    }
}

/// The outcome of removing an external id.
public enum RemovalOutcome: String, Codable, Sendable, CaseIterable {
    case removed, unknown
    case notDeprecated = "not_deprecated"
}

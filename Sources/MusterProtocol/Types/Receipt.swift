/// The outcome of one occurrence of an identifier in an import.
public enum Outcome: String, Codable, Sendable, CaseIterable {
    /// The user was not a member and is one now.
    case added
    /// The user was a member and is not one now.
    case removed
    /// The user's membership already matched the request.
    case unchanged
    /// No user has this identifier.
    case unknown
    /// A device of an identified user, which changes nothing (Braze's rule: devices match anonymous users only).
    case identifiedDevice = "identified_device"
    /// Not an identifier: empty, longer than 1,024 bytes, or with control characters.
    case invalid
    /// A later occurrence in the same import names the same user and takes precedence.
    case repeated
}

/// The outcomes of an import's identifiers. Each occurrence counts once, so the counts add up to `received`.
public struct Receipt: Codable, Sendable, Equatable {
    public var received: Int
    public var added: Int
    public var removed: Int
    public var unchanged: Int
    public var unknown: Int
    public var identifiedDevice: Int
    public var invalid: Int
    public var repeated: Int

    enum CodingKeys: String, CodingKey {
        case received, added, removed, unchanged, unknown
        case identifiedDevice = "identified_device"
        case invalid, repeated
    }

    public init(
        received: Int = 0, added: Int = 0, removed: Int = 0, unchanged: Int = 0, unknown: Int = 0,
        identifiedDevice: Int = 0, invalid: Int = 0, repeated: Int = 0
    ) {
        self.received = received
        self.added = added
        self.removed = removed
        self.unchanged = unchanged
        self.unknown = unknown
        self.identifiedDevice = identifiedDevice
        self.invalid = invalid
        self.repeated = repeated
    }

    /// Makes the receipt of outcomes given as runs.
    public init(_ runs: [OutcomeRun]) {
        self.init()
        for run in runs {
            received += run.count
            self[run.outcome] += run.count
        }
    }

    /// The count of one outcome.
    public subscript(_ outcome: Outcome) -> Int {
        get { self[keyPath: Self.keyPath(outcome)] }
        set { self[keyPath: Self.keyPath(outcome)] = newValue }
    }

    private static func keyPath(_ outcome: Outcome) -> WritableKeyPath<Self, Int> {
        switch outcome {
        case .added: \.added
        case .removed: \.removed
        case .unchanged: \.unchanged
        case .unknown: \.unknown
        case .identifiedDevice: \.identifiedDevice
        case .invalid: \.invalid
        case .repeated: \.repeated
        }
    }
}

/// A run of consecutive identifiers with the same outcome, in the order of the request: object by object, in each
/// `user_ids`, then `device_ids`, then `aliases`.
public struct OutcomeRun: Codable, Sendable, Equatable {
    public var outcome: Outcome
    public var count: Int

    public init(_ outcome: Outcome, _ count: Int) {
        self.outcome = outcome
        self.count = count
    }
}

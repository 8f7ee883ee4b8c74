/// Are these users in these segments?
public struct CheckSegments: ReadingCall {
    public static let method = "segments.check"
    public static let summary = "Tells for up to 1,000 users whether each is in each of up to 100 segments."
    public static let notes = """
        - `users`: each by exactly one identifier; see identifiers. `segments`: their ids.
        - `results` stand in the order of `users`; `in` in the order of `segments`. A user that doesn't exist is `unknown` and in no segment, negative ones included.
        - All answers of one call are of one state, unless it allows for `max_staleness_ms`: then users and sets may be of two, each recent enough. `with_versions`: also `versions`, those that were read.
        - `max_staleness_ms`: answer from memory where it was proved current so recently; absent or 0 is exact. See staleness.
        - An unknown segment is `NOT_FOUND`.
        """
    public static let example = (
        call: Self(users: [.externalID("u-1"), .externalID("nobody")], segments: ["fr-win-back", "lapsed"]),
        reply: Reply(results: [.init(.known, in: [true, false]), .init(.unknown, in: [false, false])])
    )
    public var users: [UserReference]
    public var segments: [Identifier]
    public var withVersions: Bool?
    public var maxStalenessMilliseconds: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case users, segments
        case withVersions = "with_versions"
        case maxStalenessMilliseconds = "max_staleness_ms"
    }

    public init(
        users: [UserReference], segments: [Identifier], withVersions: Bool? = nil, maxStalenessMilliseconds: Int? = nil
    ) {
        self.users = users
        self.segments = segments
        self.withVersions = withVersions
        self.maxStalenessMilliseconds = maxStalenessMilliseconds
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var results: [CheckResult]
        public var versions: Versions?

        public init(results: [CheckResult], versions: Versions? = nil) {
            self.results = results
            self.versions = versions
        }
    }
}

/// The answer for one user.
public struct CheckResult: Codable, Sendable, Equatable {
    public enum Status: String, Codable, Sendable, CaseIterable {
        case known, unknown
    }

    public var user: Status
    public var `in`: [Bool]

    public init(_ user: Status, in: [Bool]) {
        self.user = user
        self.in = `in`
    }
}

/// Tests whether users are in segments.
public struct CheckSegments: ReadingCall {
    public static let method = "segments.check"
    public static let summary = "Tests whether each of up to 1,000 users is in each of up to 100 segments."
    public static let notes = """
        - `users`: each by exactly one identifier; see identifiers. `segments`: their ids.
        - `results` are in the order of `users`, and `in` is in the order of `segments`. A user who doesn't exist is `unknown` and in no segment, not even in negated ones.
        - All results of a call show one state, unless it has `max_staleness_ms`: then users and sets may show two states, each recent enough. `with_versions`: also the `versions` that were read.
        - `max_staleness_ms`: permits an answer from memory that is at most this old; absent or 0 is exact. See staleness.
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

/// Describes the server.
public struct GetInfo: ReadingCall {
    public static let method = "server.info"
    public static let summary = "Shows the server's version, limits, durability settings and public REST URL."
    public static let notes = """
        - `version`: of the server. `schema_version`: the number of the last migration.
        - `postgres`: the database's version and the settings that determine what an acknowledged write survives. `durability` is `full` if
          `fsync`, `synchronous_commit` and `full_page_writes` are on, else `weak`. These and `schema_version` were true at most about a second ago.
        - `limits`: every bound that the server keeps, with its unit and its reason.
        - `rest_url`: the endpoint for partners, if it is set.
        - `with_methods` (optional): true shows in `methods` every call that the server knows with the paths of the fields that its body may have, such as
          `cohort_changes[].user_ids`. Nested filters have the same fields, which are not listed again. A server refuses unknown
          fields, so a client that is newer than its server checks here before it sends one.
        """
    public static let example = (
        call: Self(withMethods: true),
        reply: Reply(
            version: "0.1.0", schemaVersion: 5,
            postgres: .init(
                version: "15.18", fsync: "on", synchronousCommit: "on", fullPageWrites: "on", durability: .full),
            restURL: "https://audiences.example.com",
            limits: [.init(name: "frame_bytes", value: 4_194_304, unit: "bytes", reason: "One frame, either way.")],
            methods: [.init(method: "users.delete", fields: ["users", "users[].external_id", "request_id"])])
    )
    public var withMethods: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable { case withMethods = "with_methods" }

    public init(withMethods: Bool? = nil) {
        self.withMethods = withMethods
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var version: String
        public var schemaVersion: Int
        public var postgres: PostgresInfo
        public var restURL: String?
        public var limits: [LimitInfo]
        public var methods: [MethodInfo]?

        enum CodingKeys: String, CodingKey {
            case version
            case schemaVersion = "schema_version"
            case postgres
            case restURL = "rest_url"
            case limits, methods
        }

        public init(
            version: String, schemaVersion: Int, postgres: PostgresInfo, restURL: String? = nil, limits: [LimitInfo],
            methods: [MethodInfo]? = nil
        ) {
            self.version = version
            self.schemaVersion = schemaVersion
            self.postgres = postgres
            self.restURL = restURL
            self.limits = limits
            self.methods = methods
        }
    }

    public struct PostgresInfo: Codable, Sendable, Equatable {
        public var version: String
        public var fsync: String
        public var synchronousCommit: String
        public var fullPageWrites: String
        public var durability: Durability

        enum CodingKeys: String, CodingKey {
            case version, fsync
            case synchronousCommit = "synchronous_commit"
            case fullPageWrites = "full_page_writes"
            case durability
        }

        public init(
            version: String, fsync: String, synchronousCommit: String, fullPageWrites: String, durability: Durability
        ) {
            self.version = version
            self.fsync = fsync
            self.synchronousCommit = synchronousCommit
            self.fullPageWrites = fullPageWrites
            self.durability = durability
        }
    }

    public enum Durability: String, Codable, Sendable, CaseIterable {
        case full, weak
    }

    public struct LimitInfo: Codable, Sendable, Equatable {
        public var name: String
        public var value: Int
        public var unit: String
        public var reason: String

        public init(name: String, value: Int, unit: String, reason: String) {
            self.name = name
            self.value = value
            self.unit = unit
            self.reason = reason
        }
    }

    /// A call that the server knows, and the fields that its body may have.
    public struct MethodInfo: Codable, Sendable, Equatable {
        public var method: String
        /// Their paths, each object's before its nested ones; `[]` stands for each element of an array.
        public var fields: [String]

        public init(method: String, fields: [String]) {
            self.method = method
            self.fields = fields
        }
    }
}

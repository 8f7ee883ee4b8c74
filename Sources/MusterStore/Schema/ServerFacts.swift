import Postgres

/// The facts about the database that the server needs before it serves.
public struct ServerFacts: Sendable, Equatable {
    /// Such as `15.18`.
    public let version: String
    public let encoding: String
    public let fsync: String
    public let synchronousCommit: String
    public let fullPageWrites: String
    /// Why this role bypasses tenant isolation; nil if it doesn't.
    public let bypassesRLS: RLSBypass?

    /// Why a role sees all workspaces.
    public enum RLSBypass: String, Sendable {
        case superuser = "a superuser"
        case bypasses = "a role with BYPASSRLS"
        case owner = "the owner of the tables, or a member of that role"
    }

    /// The settings that are not `on`. With any of them, a power failure may lose an acknowledged write.
    public var weakSettings: [String] {
        [("fsync", fsync), ("synchronous_commit", synchronousCommit), ("full_page_writes", fullPageWrites)]
            .filter { $1 == "off" }.map(\.0)
    }
}

extension Schema {
    /// Reads version, encoding, settings and role from the database.
    public func facts(deadline: ContinuousClock.Instant) async throws -> ServerFacts {
        let rows = try await database.read(
            deadline: deadline,
            """
            SELECT current_setting('server_version'), current_setting('server_encoding'), current_setting('fsync'),
                current_setting('synchronous_commit'), current_setting('full_page_writes'), rolsuper, rolbypassrls,
                EXISTS (SELECT FROM (\(OwnTables.query)) t WHERE pg_has_role(current_user, relowner, 'MEMBER'))
            FROM pg_roles WHERE rolname = current_user
            """
        ) { row in try ServerFacts(row) }
        guard let facts = rows.first else { throw PostgresError(.decoding, "pg_roles lacks the role of this session") }
        return facts
    }
}

extension ServerFacts {
    fileprivate init(_ row: borrowing Row) throws {
        let version: String = try row.value(0)
        self.version = String(version.prefix { $0 != " " })
        encoding = try row.value(1)
        fsync = try row.value(2)
        synchronousCommit = try row.value(3)
        fullPageWrites = try row.value(4)
        let (isSuperuser, bypasses, owns): (Bool, Bool, Bool) = (try row.value(5), try row.value(6), try row.value(7))
        bypassesRLS = isSuperuser ? .superuser : bypasses ? .bypasses : owns ? .owner : nil
    }
}

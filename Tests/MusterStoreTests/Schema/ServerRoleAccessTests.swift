import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// The role of the server: its name, its grants, and whether it may log in.
struct ServerRoleAccessTests {
    /// After a restore into another cluster: the role is missing, with its policies and grants.
    @Test func aMissingServerRoleIsCreatedWithItsGrants() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await makeWorkspace(owner)
                try await test.run("DROP OWNED BY \"\(role.name)\"; DROP ROLE \"\(role.name)\"")
                let log = CapturedLog()
                try await migrate(owner, role: role, log: log)
                #expect(log.lines.first == "Server role created role=\(role.name)")
                #expect(log.lines.count { $0.hasPrefix("Access repaired") } == 2, "\(log.lines)")
                try await setPassword(role, owner)
                try await expectServes(try test.url(of: role.name))
                try await expectNothingToRepair(owner)
            }
        }
    }

    @Test func theServerMayHaveAnyNameAndMoveToAnother() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { first in
                try await migrate(owner, role: first)
                try await makeWorkspace(owner)
                #expect(try await owned(by: .standard, test) == [])
                try await setPassword(first, owner)
                try await expectServes(try test.url(of: first.name))
                try await withServerRole(test) { second in
                    try await migrate(owner, role: second)
                    try await setPassword(second, owner)
                    try await expectServes(try test.url(of: second.name))
                    #expect(try await owned(by: first, test) == [])
                    await #expect(throws: (any Error).self) {
                        try await expectServes(try test.url(of: first.name))
                    }
                    // Without a name the role stays.
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    @Test func ambiguousPoliciesRequireTheRolesName() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await test.withRole("NOLOGIN") { other in
                    try await run("ALTER POLICY one_workspace ON cohort TO \(other)", owner)
                    try await expectRefusal(owner, [role.name, other, "server_role"])
                    try await run("ALTER POLICY one_workspace ON cohort TO \"\(role.name)\"", owner)
                    try await expectNothingToRepair(owner)
                    // One that no setting can name.
                    try await test.run("ALTER ROLE \"\(role.name)\" RENAME TO \"\(other) x\"")
                    try await expectRefusal(owner, ["\(other) x", "server_role"])
                    #expect(try await owned(by: .standard, test) == [])
                    try await test.run("ALTER ROLE \"\(other) x\" RENAME TO \"\(role.name)\"")
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    @Test(arguments: [
        "", "pg_x", "public", "none", "a b", "a\"b", "a'b", "a%b", "ä", String(repeating: "a", count: 64),
    ])
    func anUnusableRoleNameIsRefused(_ name: String) { #expect(ServerRole(name) == nil) }

    @Test func lostLOGINAndCONNECTAreGrantedAgain() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await makeWorkspace(owner)
                try await setPassword(role, owner)
                try await run("ALTER ROLE \"\(role.name)\" NOLOGIN", owner)
                try await run("REVOKE CONNECT ON DATABASE \(try databaseName(test)) FROM PUBLIC", owner)
                let log = CapturedLog()
                try await migrate(owner, log: log)
                #expect(
                    log.lines == [
                        "Server role may log in again role=\(role.name)",
                        "Server role may connect to the database again role=\(role.name)",
                    ])
                try await expectServes(try test.url(of: role.name))
                try await expectNothingToRepair(owner)
            }
        }
    }

    @Test func anOwnerThatMayNotGrantLOGINNamesTheStatement() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                let (name, database) = (try ConnectionString(owner)["user"] ?? "", try databaseName(test))
                try await test.run(
                    """
                    ALTER ROLE \(name) NOCREATEROLE; ALTER ROLE "\(role.name)" NOLOGIN;
                    ALTER DATABASE \(database) OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO \(name);
                    REVOKE CONNECT ON DATABASE \(database) FROM PUBLIC;
                    GRANT CONNECT ON DATABASE \(database) TO \(name)
                    """)
                let log = CapturedLog()
                try await migrate(owner, log: log)
                #expect(log.lines.count == 2, "\(log.lines)")
                #expect(log.lines.first?.contains("ALTER ROLE \"\(role.name)\" LOGIN") == true, "\(log.lines)")
                #expect(
                    log.lines.last?.contains("GRANT CONNECT ON DATABASE \(database) TO \"\(role.name)\"") == true,
                    "\(log.lines)"
                )
            }
        }
    }

    /// Where servers log in as members of it.
    @Test func aGroupRoleKeepsNOLOGIN() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await test.withRole("LOGIN IN ROLE \"\(role.name)\"") { _ in
                    try await test.run("ALTER ROLE \"\(role.name)\" NOLOGIN")
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    /// What names a role in this database, by the catalog that keeps a role from being dropped.
    private func owned(by role: ServerRole, _ test: TestDatabase) async throws -> [String] {
        try await names(
            """
            SELECT classid::regclass::text || ' ' || objid FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid
            JOIN pg_database d ON d.oid = dbid
            WHERE refclassid = 'pg_authid'::regclass AND rolname = \(role.name) AND datname = current_database()
            """, test.ownerURL)
    }
}

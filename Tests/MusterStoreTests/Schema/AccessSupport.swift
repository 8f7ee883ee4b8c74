import MusterHandlers
import MusterProtocol
import MusterSchema
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Runs `body` with the name of a role for the server that is not there yet, and drops it afterwards from this database
/// and the cluster.
func withServerRole(_ test: TestDatabase, _ body: (ServerRole) async throws -> Void) async throws {
    let role = try #require(ServerRole("Muster-server.\(UInt32.random(in: 0 ... .max))@x"))
    try await cleaningUp(
        {
            let exists = try await names(
                "SELECT rolname::text FROM pg_roles WHERE rolname = \(role.name)", test.ownerURL)
            if !exists.isEmpty { try await test.run("DROP OWNED BY \"\(role.name)\"; DROP ROLE \"\(role.name)\"") }
        }, after: { try await body(role) })
}

func databaseName(_ test: TestDatabase) throws -> String { try ConnectionString(test.ownerURL)["dbname"] ?? "" }

func run(_ script: String, _ url: String) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
    }
}

func names(_ sql: SQL, _ url: String) async throws -> [String] {
    try await TestDatabase.open(url, connections: 1) { database in
        try await database.read(deadline: .soon, sql) { try $0.value(0) }
    }
}

func migrate(
    _ url: String, _ migrations: [Migration] = Migration.all, role: ServerRole? = nil,
    log: CapturedLog = CapturedLog()
) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        _ = try await Schema(database: database, migrations: migrations).migrate(
            serverRole: role, logger: log.logger, deadline: .soon)
    }
}

func expectNothingToRepair(
    _ url: String, _ migrations: [Migration] = Migration.all, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let log = CapturedLog()
    try await migrate(url, migrations, log: log)
    #expect(log.lines == [], sourceLocation: sourceLocation)
    let differences = try await TestDatabase.open(url, connections: 1) { database in
        try await Schema(database: database, migrations: migrations).accessDifferences(deadline: .soon)
    }
    #expect(differences == [], sourceLocation: sourceLocation)
}

/// Of `migrate`; a server that only looks logs the same.
func expectRefusal(
    _ url: String, _ words: [String], role: ServerRole? = nil, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let log = CapturedLog()
    let error = await #expect(throws: AccessProblem.self, sourceLocation: sourceLocation) {
        try await migrate(url, role: role, log: log)
    }
    let said = error?.description ?? ""
    for word in words { #expect(said.contains(word), "\(said)", sourceLocation: sourceLocation) }
    #expect(log.lines == [], sourceLocation: sourceLocation)
    guard role == nil else { return }
    let differences = try await TestDatabase.open(url, connections: 1) { database in
        try await Schema(database: database).accessDifferences(deadline: .soon)
    }
    #expect(differences == [said], sourceLocation: sourceLocation)
}

/// Sees the rows of the workspace and no other, and may write.
func expectServes(_ url: String) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        let schema = Schema(database: database)
        try await schema.check(deadline: .soon)
        try await schema.checkAccess(deadline: .soon)
        let facts = try await schema.facts(deadline: .soon)
        #expect(facts.bypassesRLS == nil)
        let store = Store(database: database, logger: quietLogger)
        #expect(try await store.maintenance.verify(deadline: .soon).sets == 1)
        let workspace = try await schema.workspaces(deadline: .soon)[0].id
        _ = try await store.in(workspace).partners.set("p", PartnerChange(), at: .now)
        let outside = try await database.read(deadline: .soon, "SELECT count(*) FROM set_head") {
            try $0.value(0, as: Int.self)
        }
        #expect(outside == [0])
    }
}

func accessProblem(_ url: String) async throws -> String? {
    try await TestDatabase.open(url, connections: 1) { database in
        do { try await Schema(database: database).checkAccess(deadline: .soon) } catch let error as AccessProblem {
            return error.description
        }
        return nil
    }
}

func verify(_ url: String) async throws -> [String] {
    try await TestDatabase.open(url, connections: 1) { database in
        try await Store(database: database, logger: quietLogger).maintenance.verify(deadline: .soon).problems
    }
}

func makeWorkspace(_ url: String) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        _ = try await NewWorkspace.make(name: "one", with: Schema(database: database), deadline: .soon)
    }
}

func setPassword(_ role: ServerRole, _ url: String) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        _ = try await Schema(database: database).setPassword(
            "x", of: role, changesShared: false, deadline: .soon, isAccepted: { false })
    }
}

import MusterClient
import MusterHandlers
import MusterProtocol
import MusterSets
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Two servers over one database and one workspace, as behind a load balancer, with partner `tinyclues`.
struct ServerPair: Sendable {
    let database: TestDatabase
    let workspace: NewWorkspace
    let a: TestServer
    let b: TestServer
    let throughA: MusterClient
    let throughB: MusterClient

    var clients: [MusterClient] { [throughA, throughB] }
    var servers: [TestServer] { [a, b] }

    /// Calls `body` with both, and stops them.
    static func with(
        users: [Identifier] = [], cacheBytes: (Int, Int) = (64 << 20, 64 << 20),
        _ body: (ServerPair) async throws -> Void
    ) async throws {
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("test")
            let a = try await TestServer(
                databaseURL: database.serverURL, workspace: workspace, cacheBytes: cacheBytes.0)
            let b = try await TestServer(
                databaseURL: database.serverURL, workspace: workspace, cacheBytes: cacheBytes.1)
            let pair = ServerPair(
                database: database, workspace: workspace, a: a, b: b, throughA: a.client(), throughB: b.client())
            let result: Result<Void, any Error>
            do {
                _ = try await pair.throughA.send(SetPartner(partner: "tinyclues"))
                if !users.isEmpty { try await pair.register(users) }
                result = .success(try await body(pair))
            } catch { result = .failure(error) }
            for client in pair.clients { await client.close() }
            for server in pair.servers { await server.stop() }
            try result.get()
        }
    }

    /// In this order, so that a workspace's first users have numbers equal to their positions.
    func register(_ users: [Identifier]) async throws {
        for start in stride(from: 0, to: users.count, by: 5_000) {
            let batch = users[start..<min(start + 5_000, users.count)]
            _ = try await throughA.send(UpsertUsers(users: batch.map { UserEntry(externalID: $0) }))
        }
    }

    /// Runs statements as the owner of the tables, in one transaction.
    func asOwner<R: Sendable>(_ body: @escaping @Sendable (borrowing Connection) throws -> R) async throws -> R {
        try await database.asOwner(body)
    }

    /// Expects no problem from `muster-server verify`.
    func expectSound(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let report = try await a.store.maintenance.verify(deadline: .soon)
        #expect(report.problems == [], sourceLocation: sourceLocation)
    }

    func numberOfSet(_ cohortID: Identifier) async throws -> Int32 {
        let workspace = workspace.id
        let number = try await asOwner { connection in
            try connection.first(
                "SELECT set_number FROM cohort WHERE workspace_id = \(workspace) AND cohort_id = \(cohortID)"
            ) { row in try row.value(0, as: Int32.self) }
        }
        return try #require(number)
    }

    /// As when PostgreSQL fails over to a standby that lacks the last commits, and another takes their version number.
    func rewindCohort(_ cohort: Identifier, toVersion version: Int64, thenAdding number: UInt32?) async throws {
        let (workspace, set) = (workspace.id, try await numberOfSet(cohort))
        try await asOwner { connection in
            try connection.execute(
                "DELETE FROM set_change WHERE workspace_id = \(workspace) AND set_number = \(set) AND version > \(version)"
            )
            try connection.execute(
                "DELETE FROM cohort_import WHERE workspace_id = \(workspace) AND set_number = \(set) AND version > \(version)"
            )
            let tag = try connection.first(
                "SELECT tag FROM set_change WHERE workspace_id = \(workspace) AND set_number = \(set) AND version = \(version)"
            ) { row in try row.value(0, as: Int64.self) }
            var head = (version: version, tag: try #require(tag), size: version)
            if let number {
                try connection.execute(
                    """
                    INSERT INTO set_change (workspace_id, set_number, version, previous_tag, tag, added, changed_at)
                    VALUES (\(workspace), \(set), \(version + 1), \(head.tag), 4711, \(StoredSet.encode([number])), now())
                    """)
                head = (version + 1, 4711, version + 1)
            }
            try connection.execute(
                """
                UPDATE set_head SET version = \(head.version), tag = \(head.tag), size = \(head.size)
                WHERE workspace_id = \(workspace) AND set_number = \(set)
                """)
        }
    }
}

extension MusterClient {
    /// Imports into a cohort of partner `tinyclues`.
    @discardableResult
    func importCohort(
        _ cohortID: Identifier, adding: [Identifier] = [], removing: [Identifier] = [], requestID: Identifier? = nil
    ) async throws -> ImportCohort.Reply {
        var changes: [CohortChange] = []
        if !adding.isEmpty { changes.append(.adding(userIDs: IdentifierList(adding))) }
        if !removing.isEmpty { changes.append(.removing(userIDs: IdentifierList(removing))) }
        return try await send(
            ImportCohort(partner: "tinyclues", cohortID: cohortID, requestID: requestID, changes: changes))
    }

    /// The members of a filter, from all pages.
    func members(of filter: Filter, pageSize: Int? = nil) async throws -> [Member] {
        var members: [Member] = []
        for try await member in entries(of: ListSegmentMembers(filter: filter, pageSize: pageSize)) {
            members.append(member)
        }
        return members
    }

    /// The members of a cohort, now or at a version.
    func members(ofCohort cohortID: Identifier, at version: Int64? = nil, pageSize: Int? = nil) async throws -> [Member]
    {
        var members: [Member] = []
        let call = ListCohortMembers(partner: "tinyclues", cohortID: cohortID, atVersion: version, pageSize: pageSize)
        for try await member in entries(of: call) { members.append(member) }
        return members
    }

    func size(of filter: Filter) async throws -> Int { try await send(SizeSegment(filter: filter)).size }

    /// The code of a call's error; nil if it succeeds.
    func code(of call: some Call, deadline: Duration? = nil) async -> RPCCode? {
        do {
            _ = try await send(call, deadline: deadline)
            return nil
        } catch { return (error as? RPCError)?.code ?? .internal }
    }
}

extension Filter {
    /// A cohort of partner `tinyclues`.
    static func cohort(_ id: Identifier) -> Filter { .cohort("tinyclues", id) }
}

extension [Identifier] {
    /// `u-0`, `u-1`, …
    static func users(_ range: Range<Int>) -> [Identifier] { range.map { Identifier("u-\($0)") } }
}

extension Store {
    /// Drops the server's cached sets of a workspace that a test creates, as after a restart.
    func forgetSets(of workspace: WorkspaceID) {
        for number in Int32(0)..<100 {
            let set = SetKey(workspace: workspace, number: number)
            cache.remove(set)
            for version in Int64(0)..<20 { reads.resources.derived.remove(.version(set, version)) }
        }
        reads.reads(of: workspace).plans.dropStates()
    }
}

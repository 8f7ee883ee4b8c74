import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// A workspace in a database of its own, as a server sees it: through the role that owns nothing.
struct RegistryFixture: Sendable {
    let database: TestDatabase
    let store: Store
    let workspace: WorkspaceID

    static func with(journal: ErasureJournal? = nil, _ body: (RegistryFixture) async throws -> Void) async throws {
        try await TestDatabase.with { database in
            try await database.withStore(connections: 8, journal: journal) { store in
                let fixture = RegistryFixture(database: database, store: store, workspace: database.workspace)
                try await body(fixture)
                try await fixture.checkInvariants()
            }
        }
    }

    var users: UserStore { store.in(workspace).users }

    @discardableResult
    func upsert(_ users: UserEntry...) async throws -> UpsertUsers.Reply { try await upsert(users) }

    @discardableResult
    func upsert(_ users: [UserEntry], requestID: Identifier? = nil) async throws -> UpsertUsers.Reply {
        try await self.users.upsert(users, request: key(UpsertUsers.method, requestID))
    }

    func get(_ user: UserReference) async throws -> GetUser.Reply? {
        try await self.users.get(user)
    }

    func attributes(of user: UserReference) async throws -> AttributesByName? { try await get(user)?.attributes.byName }

    @discardableResult
    func merge(_ merged: UserReference, into kept: UserReference, requestID: Identifier? = nil) async throws -> Int {
        try await self.users.merge(
            merged, into: kept, request: key(MergeUsers.method, requestID)
        ).changedSets
    }

    @discardableResult
    func identify(_ user: UserReference, as id: Identifier) async throws -> IdentifyOutcome {
        try await self.users.identify(user, as: id, request: key(IdentifyUser.method, nil))
            .outcome
    }

    @discardableResult
    func delete(_ users: UserReference...) async throws -> DeleteUsers.Reply {
        try await self.users.delete(users, request: key(DeleteUsers.method, nil))
    }

    /// The digest stands for the payload: its first byte.
    func key(_ method: String, _ id: Identifier?, digest: UInt8 = 1) -> IdempotencyKey {
        guard let id else { return IdempotencyKey(method: method) }
        return IdempotencyKey(method: method, requestID: id, digest: [digest] + [UInt8](repeating: 0, count: 31))
    }

    func number(of user: UserReference) async throws -> UserNumber? {
        let workspace = workspace
        return try await store.in(workspace).transaction { connection in
            try connection.find([user])[0]
        }
    }

    // MARK: Sets

    /// A set of the kind of cohorts, with these members.
    func cohort(_ members: MemberSet) async throws -> Int32 {
        let workspace = workspace
        return try await store.in(workspace).transaction { connection in
            let number: Int32? = try connection.first(
                "INSERT INTO set_head (workspace_id, kind) VALUES (\(workspace), 'cohort') RETURNING set_number"
            ) { row in try row.value(0) }
            let set = SetKey(workspace: workspace, number: try #require(number))
            let head = try #require(try connection.lockHead(set))
            _ = try connection.append(added: members, removed: [], to: head, state: .empty, at: .now)
            return set.number
        }
    }

    /// Adds to a set as an import does.
    func add(_ members: MemberSet, to number: Int32, keepingInCache: Bool = true) async throws {
        let (workspace, cache) = (workspace, store.cache)
        let set = SetKey(workspace: workspace, number: number)
        let state = try await store.in(workspace).transaction { connection in
            try connection.shareIdentity()
            let head = try #require(try connection.lockHead(set))
            let state = try connection.state(of: head, cache: cache)
            let change = state.members.effectiveChange(adding: members, removing: [])
            return try connection.append(added: change.added, removed: [], to: head, state: state, at: .now)
        }
        if keepingInCache { cache.put(state, for: set) }
    }

    /// From the rows, change by change, past every cache.
    func stored(_ number: Int32) async throws -> SetState {
        let workspace = workspace
        let states = try await store.in(workspace).transaction { connection in
            try connection.load([number])
        }
        return try #require(states[number])
    }

    func members(of number: Int32) async throws -> [UInt32] { Array(try await stored(number).members) }

    func attributesVersion() async throws -> Int64 {
        let workspace = workspace
        return try await value(
            "SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = 1")
    }

    func identityCounter() async throws -> Int64 {
        let workspace = workspace
        return try await value("SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = 3")
    }

    func value(_ sql: SQL) async throws -> Int64 {
        try #require(
            try await store.in(workspace).read(sql) { row in try row.value(0, as: Int64.self) }.first)
    }

    /// The invariants: everyone has exactly the users with a row, no set has others, the cache equals the rows, and the
    /// log of identifiers says what the tables have.
    func checkInvariants() async throws {
        let workspace = workspace
        let (rows, heads) = try await store.in(workspace).transaction { connection in
            (
                try connection.query("SELECT user_number FROM registered_user WHERE workspace_id = \(workspace)") {
                    row in
                    try row.value(0, as: UserNumber.self)
                },
                try connection.query(
                    "SELECT set_number FROM set_head WHERE workspace_id = \(workspace) AND (set_number = 0 OR set_number > 15)"
                ) { row in try row.value(0, as: Int32.self) }
            )
        }
        // A test may have deleted the beginning of the log.
        let firstLogged = try await value(
            "SELECT coalesce(min(version), 1) FROM identifier_change WHERE workspace_id = \(workspace)")
        if firstLogged == 1 { #expect(try await identifierLogDiffers() == nil) }
        let everyone = MemberSet(users: rows)
        for number in heads {
            let state = try await stored(number)
            if number == SetKey.everyone { #expect(Array(state.members) == Array(everyone)) }
            #expect(state.members.subtracting(everyone).isEmpty, "a set has a number that is nobody's")
            if let cached = store.cache[SetKey(workspace: workspace, number: number)], cached.at == state.at {
                #expect(Array(cached.members) == Array(state.members), "the cache differs from what is stored")
            }
        }
    }
}

extension UserReference {
    /// The alias under the label that most tests use.
    static func crm(_ name: Identifier) -> UserReference { .alias(Alias(label: "crm", name: name)) }
}

extension UserEntry {
    static func external(_ id: Identifier, _ attributes: Attributes? = nil) -> UserEntry {
        UserEntry(externalID: id, attributes: attributes)
    }
}

extension UpsertUsers.Reply {
    var outcomes: [UpsertResult.Outcome] { results.map(\.outcome) }
}

import Foundation
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport

@testable import MusterStore

/// Muster and the model differ.
struct Mismatch: Error, CustomStringConvertible {
    var description: String
}

/// One seed: Muster, its model, and random operations on both.
final class ModelRun {
    var words: Vocabulary
    var model = Model()
    let database: TestDatabase
    let workspace: NewWorkspace
    private(set) var servers: [TestServer] = []
    private var clients: [[MusterClient]] = []
    /// Repeats an answered request and compares the answers.
    var repeats: [() async throws -> Void] = []
    /// Reads of earlier states, to be repeated with `at`.
    var past: [(filter: Filter, moment: ModelSnapshot, versions: Versions)] = []
    private var requests = 0
    /// Cache sizes of the servers; some are too small for any set.
    private static let cacheSizes = [1_000, 20_000, 1 << 20]

    /// Memory for identity directories: none, too little for most states of the model, enough.
    private static let directorySizes = [0, 40_000, 16 << 20]

    init(seed: UInt64, database: TestDatabase, workspace: NewWorkspace) async throws {
        words = Vocabulary(seed: seed)
        self.database = database
        self.workspace = workspace
        for place in 0..<2 { try await start(place) }
    }

    private func start(_ place: Int) async throws {
        let server = try await TestServer(
            databaseURL: database.serverURL, workspace: workspace, connections: 2,
            cacheBytes: words.random.pick(Self.cacheSizes) ?? 0,
            directoryBytes: words.random.pick(Self.directorySizes))
        if place == servers.count {
            servers.append(server)
            clients.append([])
        }
        servers[place] = server
        clients[place] = [server.client(), server.client()]
    }

    private func stop(_ place: Int) async {
        for client in clients[place] { await client.close() }
        await servers[place].stop()
    }

    func end() async {
        for place in servers.indices { await stop(place) }
    }

    /// A random connection to a random server.
    var client: MusterClient { clients[words.random.int(0..<2)][words.random.int(0..<2)] }

    func newRequestID() -> Identifier {
        requests += 1
        return Identifier("r-\(requests)")
    }

    // MARK: Beside the operations

    func restartAServer() async throws {
        let place = words.random.int(0..<2)
        await stop(place)
        try await start(place)
    }

    func compactASet() async throws {
        let workspace = workspace.id
        let numbers = try await database.asOwner { connection in
            try connection.query(
                """
                SELECT set_number FROM set_head WHERE workspace_id = \(workspace) AND kind IN ('everyone', 'cohort')
                ORDER BY set_number
                """
            ) { row in try row.value(0, as: Int32.self) }
        }
        guard let number = words.random.pick(numbers) else { return }
        try await servers[words.random.int(0..<2)].store.maintenance.in(workspace)
            .compact(SetKey(workspace: workspace, number: number))
    }

    func runMaintenance() async throws {
        _ = try await servers[words.random.int(0..<2)].store.maintenance.run(Retention())
    }

    /// Moves users' numbers to the next container or chunk of the sets, as if many users had been created and erased.
    func skipNumbers() async throws {
        let borders: [Int32] = [1 << 16, 1 << 20, 1 << 20 + 1 << 16, 1 << 21]
        guard let border = words.random.pick(borders) else { return }
        let (workspace, number) = (workspace.id, border - Int32(words.random.int(1..<20)))
        try await database.asOwner { connection in
            try connection.execute(
                """
                UPDATE set_head SET next_user_number = greatest(next_user_number, \(number))
                WHERE workspace_id = \(workspace) AND kind = 'everyone'
                """)
        }
        try await upsert((0..<30).map { _ in words.entry() })
    }

    // MARK: Comparing

    func expectEqual<T: Equatable>(_ muster: T, _ model: T, _ what: String) throws {
        if muster != model { throw Mismatch(description: "\(what): Muster says \(muster), the model \(model)") }
    }

    /// Sends a call that the model refuses, and expects the same of Muster.
    func expectRefused(_ call: some Call, _ code: RPCCode) async throws {
        do { _ = try await client.send(call) } catch let error as RPCError {
            return try expectEqual(error.code, code, "the code of \(type(of: call).method)")
        }
        throw Mismatch(description: "\(type(of: call).method) was not refused as \(code.rawValue)")
    }

    /// Sends a call, now and possibly again later, and expects the same answer.
    func sendRecorded<C: RecordedCall>(_ call: C) async throws -> C.Reply {
        var call = call
        if words.random.chance(60) { call.requestID = newRequestID() }
        let reply = try await client.send(call)
        if call.requestID != nil {
            repeats.append { [unowned self, call] in
                try expectEqual(try await client.send(call), reply, "the answer to a repeat of \(C.method)")
            }
        }
        return reply
    }
}

import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// A real server is ended in the middle of an import load, and the recorded history is compared with what clients were
/// told.
@Suite struct CrashTests {
    private static let userCount = 200

    @Test func aKilledServerLosesNothingItAcknowledgedAndAppliesNothingTwice() async throws {
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("test")
            var random = TestSeed("crash test").random
            let load = Load(port: try Loopback.freePort(), key: workspace.adminKey, users: Self.userCount)
            let (acknowledged, failures) = try await ServerProcess.withSeveral(database.serverURL) { starter in
                try await withThrowingTaskGroup(of: ([Load.Sent], Int).self) { group in
                    var server = try starter.start(port: load.port)
                    try await load.prepare()
                    for client in 0..<8 { group.addTask { try await load.run(client) } }
                    for _ in 0..<RunLength.crashCycles {
                        try await Task.sleep(for: .milliseconds(random.int(20..<600)))
                        server.send(SIGKILL)
                        #expect(await server.ended() == -1)
                        server = try starter.start(port: load.port)
                        try await load.untilServing()
                    }
                    load.end()
                    var all: ([Load.Sent], Int) = ([], 0)
                    for try await (sent, failures) in group { all = (all.0 + sent, all.1 + failures) }
                    try await load.repeatAll(all.0)
                    await server.stop()
                    return all
                }
            }
            print("crash test: \(acknowledged.count) imports, \(failures) of them had to be sent anew")
            #expect(acknowledged.count > RunLength.crashCycles)
            try await load.verify(acknowledged, database, workspace)
            #expect(try await ServerProcess.run(["verify"], databaseURL: database.ownerURL) == 0)
        }
    }
}

/// Clients that import until they are stopped, and record the replies.
private final class Load: Sendable {
    struct Sent: Sendable {
        var call: ImportCohort
        var adding: Set<UInt32>
        var removing: Set<UInt32>
        var reply: ImportCohort.Reply
    }

    private static let cohorts: [Identifier] = ["a", "b"]
    let port: UInt16
    private let key: Secret
    private let users: Int
    private let isEnding = Flag()

    init(port: UInt16, key: Secret, users: Int) {
        (self.port, self.key, self.users) = (port, key, users)
    }

    func end() { isEnding.raise() }

    private func withClient<R>(_ body: (MusterClient) async throws -> R) async throws -> R {
        let client = ServerProcess.client(port: port, key: key)
        let result: Result<R, any Error>
        do { result = .success(try await body(client)) } catch { result = .failure(error) }
        await client.close()
        return try result.get()
    }

    func untilServing() async throws { try await withClient { try await $0.untilServing() } }

    func prepare() async throws {
        try await withClient { client in
            try await client.untilServing()
            let users = [Identifier].users(0..<users).map { UserEntry(externalID: $0) }
            _ = try await client.send(UpsertUsers(users: users, requestID: "users"))
        }
    }

    /// All acknowledged imports, and the number of calls that failed after all retries.
    func run(_ number: Int) async throws -> ([Sent], Int) {
        try await withClient { client in
            var (sent, failures, round) = ([Sent](), 0, 0)
            while !isEnding.isRaised {
                round += 1
                let adding = Set((0..<Int.random(in: 1..<12)).map { _ in UInt32.random(in: 0..<UInt32(users)) })
                let removing = Set((0..<Int.random(in: 0..<12)).map { _ in UInt32.random(in: 0..<UInt32(users)) })
                let call = ImportCohort(
                    partner: "tinyclues", cohortID: Self.cohorts[round % 2],
                    requestID: Identifier("\(number)-\(round)"),
                    changes: [
                        .adding(userIDs: IdentifierList(adding.map { Identifier("u-\($0)") })),
                        .removing(userIDs: IdentifierList(removing.map { Identifier("u-\($0)") })),
                    ])
                // Calls with an unknown outcome are repeated until it is known.
                while true {
                    do {
                        let reply = try await client.send(call)
                        sent.append(
                            Sent(call: call, adding: adding.subtracting(removing), removing: removing, reply: reply))
                        break
                    } catch let error as RPCError {
                        #expect([.unavailable, .unknown, .aborted, .deadlineExceeded].contains(error.code), "\(error)")
                        failures += 1
                    }
                }
            }
            return (sent, failures)
        }
    }

    /// A late repeat gets the recorded answer.
    func repeatAll(_ sent: [Sent]) async throws {
        try await withClient { client in
            for one in sent.shuffled().prefix(200) {
                let again = try await client.send(one.call)
                #expect(again == one.reply)
            }
        }
    }

    func verify(_ sent: [Sent], _ database: TestDatabase, _ workspace: NewWorkspace) async throws {
        let server = try await TestServer(databaseURL: database.serverURL, workspace: workspace)
        let client = server.client()
        for cohort in Self.cohorts {
            let history = try await database.history(of: cohort, in: workspace.id)
            history.expectSound()
            let own = sent.filter { $0.call.cohortID == cohort }
            // Each import has one version, and each version one import: none was lost and none was applied twice.
            #expect(own.map(\.reply.version).sorted() == Array(1..<history.version + 1))
            let recorded = try await receipts(of: cohort, through: client)
            #expect(recorded.count == own.count)
            for one in own {
                let (before, after) = (
                    history.states[Int(one.reply.version) - 1], history.states[Int(one.reply.version)]
                )
                #expect(after == before.subtracting(one.removing).union(one.adding))
                #expect(one.reply.size == after.count)
                let info = one.call.requestID.flatMap { recorded[$0] }
                #expect(info?.version == one.reply.version)
                #expect(info?.receipt == one.reply.receipt)
            }
            #expect(try await client.size(of: .cohort(cohort)) == history.states.last?.count)
        }
        await client.close()
        await server.stop()
    }
}

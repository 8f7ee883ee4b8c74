import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import Synchronization
import Testing

/// What `/readyz` says at each moment of a start and of a stop, and what follows from it for a rolling update.
@Suite struct ReadinessTests {
    /// A server with its three ports.
    private struct Server {
        let process: ServerProcess
        let rpc, rest, ops: UInt16

        init(_ databaseURL: String, _ settings: [String: String] = [:]) throws {
            (rpc, rest, ops) = (
                try ServerProcess.freePort(), try ServerProcess.freePort(), try ServerProcess.freePort()
            )
            let ports = ["MUSTER_REST_PORT": "\(rest)", "MUSTER_OPS_PORT": "\(ops)"]
            process = try ServerProcess(databaseURL: databaseURL, port: rpc, settings: ports.merging(settings) { $1 })
        }

        var acceptsAll: Bool { accepts(rpc) && accepts(rest) }

        /// The answer of `/readyz`; nil while nobody answers.
        func readiness() async -> RESTReply? {
            // The client would try to connect for a minute.
            accepts(ops) ? try? await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz") : nil
        }

        func untilReady() async throws {
            for _ in 0..<2_000 {
                if await readiness()?.status == 200 { return }
                try await Task.sleep(for: .milliseconds(10))
            }
            throw ServerProcess.NotServing()
        }
    }

    @Test func itIsReadyNoSoonerThanBothListenersAccept() async throws {
        try await TestDatabase.with { database in
            try await database.setReachable(false)
            let server = try Server(database.serverURL)
            while await server.readiness() == nil { try await Task.sleep(for: .milliseconds(10)) }
            try await Task.sleep(for: .seconds(1))
            try await database.setReachable(true)
            var (isReady, whileDeaf) = (false, 0)
            let end = ContinuousClock.now + .seconds(15)
            while !isReady, ContinuousClock.now < end {
                guard await server.readiness()?.status == 200 else { continue }
                isReady = server.acceptsAll
                if !isReady { whileDeaf += 1 }
            }
            #expect(isReady && whileDeaf == 0, "ready \(whileDeaf) times without listening")
            server.process.send(SIGTERM)
            #expect(await server.process.ended() == 0)
        }
    }

    @Test func aDelayedShutdownIsNotReadyAndStillAccepts() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let server = try Server(database.serverURL, ["MUSTER_SHUTDOWN_DELAY_SECONDS": "2"])
            try await server.untilReady()
            let asked = ContinuousClock.now
            server.process.send(SIGTERM)
            try await Task.sleep(for: .milliseconds(300))
            while ContinuousClock.now - asked < .milliseconds(1_700) {
                let ready = await server.readiness()
                #expect(ready?.status == 503 && ready?.text.contains("shutting down") == true)
                #expect(server.acceptsAll)
                let client = ServerProcess.client(port: server.rpc, key: key) { $0.repeats = false }
                _ = try await client.send(ListPartners())
                await client.close()
                let reply = try await sendHTTP("GET", "http://127.0.0.1:\(server.rest)/segments/list", bearer: key.text)
                #expect(reply.status == 200)
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(await server.process.ended() == 0)
            #expect((.seconds(2) ..< .seconds(12)).contains(ContinuousClock.now - asked))
        }
    }

    /// Not even where PostgreSQL was asked before SIGTERM and answers after it.
    @Test func fromTheMomentOfSIGTERMItIsNotReady() async throws {
        try await TestDatabase.with { database in
            let server = try Server(database.serverURL, ["MUSTER_SHUTDOWN_DELAY_SECONDS": "2"])
            try await server.untilReady()
            let isLocked = Flag()
            async let locking: Void = database.asOwner { connection in
                try connection.execute("LOCK TABLE migration IN ACCESS EXCLUSIVE MODE")
                isLocked.raise()
                usleep(900_000)
            }
            while !isLocked.isRaised { try await Task.sleep(for: .milliseconds(10)) }
            async let ready = server.readiness()
            try await Task.sleep(for: .milliseconds(300))
            server.process.send(SIGTERM)
            #expect(await ready?.status == 503)
            try await locking
            #expect(await server.process.ended() == 0)
        }
    }

    @Test func aRollingUpdateBehindABalancerLosesNoRequest() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let settings = ["MUSTER_SHUTDOWN_DELAY_SECONDS": "3"]
            var old = try Server(database.serverURL, settings)
            try await old.untilReady()
            let (rpc, rest) = (try Balancer(), try Balancer())
            func follow(_ servers: [Server]) {
                rpc.follow(servers.map { ($0.ops, $0.rpc) })
                rest.follow(servers.map { ($0.ops, $0.rest) })
            }
            follow([old])
            let client = ServerProcess.client(port: rpc.port, key: key)
            try await client.untilServing()
            let load = Load(client: client, rest: rest.port, key: key.text)
            let running = Task { await load.run() }
            for _ in 0..<2 {
                let new = try Server(database.serverURL, settings)
                follow([old, new])
                try await new.untilReady()
                try await Task.sleep(for: .milliseconds(500))
                old.process.send(SIGTERM)
                #expect(await old.process.ended() == 0)
                old = new
            }
            load.end.raise()
            await running.value
            #expect(load.failures.withLock { $0 } == [])
            #expect(load.answers.withLock { $0 } > 200)
            await client.close()
            for balancer in [rpc, rest] { balancer.stop() }
            old.process.send(SIGTERM)
            #expect(await old.process.ended() == 0)
        }
    }
}

/// Requests over both wires, over connections that are kept and over new ones, none of which is repeated where the
/// client's library doesn't.
private final class Load: Sendable {
    let end = Flag()
    let failures = Mutex<[String]>([])
    let answers = Mutex(0)
    private let client: MusterClient
    private let rest: UInt16
    private let key: String

    init(client: MusterClient, rest: UInt16, key: String) { (self.client, self.rest, self.key) = (client, rest, key) }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask { [self] in
                    var turn = 0
                    while !end.isRaised {
                        turn += 1
                        do {
                            try await one(number, turn)
                            answers.withLock { $0 += 1 }
                        } catch { failures.withLock { $0.append("\(number): \(error)") } }
                        try? await Task.sleep(for: .milliseconds(10))
                    }
                }
            }
        }
    }

    private func one(_ number: Int, _ turn: Int) async throws {
        let user = "u-\(number)-\(turn % 50)"
        if number < 2 {
            _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: Identifier(user))]))
            return
        }
        let reply = try await sendHTTP(
            "POST", "http://127.0.0.1:\(rest)/users/track",
            #"{"attributes":[{"external_id":"\#(user)","turn":\#(turn)}]}"#, bearer: key,
            headers: number < 4 ? ["connection": "close"] : [:])
        guard reply.status == 201 else { throw RPCError(.internal, "\(reply.status): \(reply.text)") }
    }
}

import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import Synchronization
import TestSupport
import Testing

/// The answers of `/readyz` during a start and a stop, and their effect on a rolling update.
@Suite(.timeLimit(.minutes(2))) struct ReadinessTests {
    /// A server with its three ports.
    private struct Server {
        let process: ServerProcess
        let rpc, rest, ops: UInt16

        init(_ starter: ServerProcess.Starter, _ settings: [String: String] = [:]) throws {
            (rpc, rest, ops) = (
                try Loopback.freePort(), try Loopback.freePort(), try Loopback.freePort()
            )
            let ports = ["MUSTER_REST_PORT": "\(rest)", "MUSTER_OPS_PORT": "\(ops)"]
            process = try starter.start(port: rpc, ports.merging(settings) { $1 })
        }

        var acceptsAll: Bool { Loopback.accepts(rpc) && Loopback.accepts(rest) }

        /// The response of `/readyz`; nil where no server answers.
        func readiness() async -> RESTReply? {
            // The client would try to connect for a minute.
            Loopback.accepts(ops) ? try? await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz") : nil
        }

        func untilReady() async throws {
            guard await eventually({ await readiness()?.status == 200 }) else { throw ServerProcess.NotServing() }
        }
    }

    @Test func theServerIsReadyOnceBothListenersAccept() async throws {
        try await TestDatabase.with { database in
            try await database.setReachable(false)
            try await ServerProcess.withSeveral(database.serverURL) { starter in
                let server = try Server(starter)
                try #require(await eventually { await server.readiness() != nil })
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
                await server.process.stop()
            }
        }
    }

    @Test func aDelayedShutdownIsNotReadyAndStillAccepts() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await ServerProcess.withSeveral(database.serverURL) { starter in
                let server = try Server(starter, ["MUSTER_SHUTDOWN_DELAY_SECONDS": "6"])
                try await server.untilReady()
                let asked = ContinuousClock.now
                server.process.send(SIGTERM)
                try await Task.sleep(for: .milliseconds(500))
                // Far from the end of the delay, which must not be reached on a busy machine.
                while ContinuousClock.now - asked < .seconds(2) {
                    let ready = await server.readiness()
                    #expect(ready?.status == 503 && ready?.text.contains("shutting down") == true)
                    #expect(server.acceptsAll)
                    let client = ServerProcess.client(port: server.rpc, key: key) { $0.repeats = false }
                    _ = try await client.send(ListPartners())
                    await client.close()
                    let reply = try await sendHTTP(
                        "GET", "http://127.0.0.1:\(server.rest)/segments/list", bearer: key.text)
                    #expect(reply.status == 200)
                    try await Task.sleep(for: .milliseconds(50))
                }
                #expect(await server.process.ended() == 0)
                #expect((.seconds(6) ..< .seconds(20)).contains(ContinuousClock.now - asked))
            }
        }
    }

    /// Not even where PostgreSQL was asked before SIGTERM and answers after it.
    @Test func theServerIsNotReadyAfterSIGTERM() async throws {
        try await TestDatabase.with { database in
            try await ServerProcess.withSeveral(database.serverURL) { starter in
                let server = try Server(starter, ["MUSTER_SHUTDOWN_DELAY_SECONDS": "6"])
                try await server.untilReady()
                let (isLocked, mayGo) = (Flag(), Flag())
                async let locking: Void = database.asOwner { connection in
                    try connection.execute("LOCK TABLE migration IN ACCESS EXCLUSIVE MODE")
                    isLocked.raise()
                    while !mayGo.isRaised { usleep(5_000) }
                }
                defer { mayGo.raise() }
                try #require(await eventually { isLocked.isRaised })
                async let ready = server.readiness()
                try #require(
                    await eventually {
                        try await database.asOwner { connection in
                            try connection.first(
                                "SELECT FROM pg_locks WHERE relation = 'migration'::regclass AND NOT granted"
                            ) { _ in true } ?? false
                        }
                    })
                server.process.send(SIGTERM)
                // It takes time until it is noticed; the probe waits at most two seconds.
                try await Task.sleep(for: .milliseconds(500))
                mayGo.raise()
                let answer = try #require(await ready)
                #expect(answer.status == 503 && answer.text.contains("shutting down"), "\(answer.text)")
                try await locking
                #expect(await server.process.ended() == 0)
            }
        }
    }

    @Test func aRollingUpdateBehindABalancerLosesNoRequest() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let settings = ["MUSTER_SHUTDOWN_DELAY_SECONDS": "3"]
            try await ServerProcess.withSeveral(database.serverURL) { starter in
                try await Balancer.with { rpc in
                    try await Balancer.with { rest in
                        func follow(_ servers: [Server]) {
                            rpc.follow(servers.map { ($0.ops, $0.rpc) })
                            rest.follow(servers.map { ($0.ops, $0.rest) })
                        }
                        var old = try Server(starter, settings)
                        try await old.untilReady()
                        follow([old])
                        let client = ServerProcess.client(port: rpc.port, key: key)
                        try await client.untilServing()
                        let load = Load(client: client, rpc: rpc.port, rest: rest.port, key: key)
                        async let running: Void = load.run()
                        for _ in 0..<2 {
                            let new = try Server(starter, settings)
                            follow([old, new])
                            try await new.untilReady()
                            try await Task.sleep(for: .milliseconds(500))
                            await old.process.stop()
                            old = new
                        }
                        load.end.raise()
                        await running
                        #expect(load.failures.withLock { $0 } == [])
                        #expect(load.answers.withLock { $0 }.allSatisfy { $0 > 30 })
                        await client.close()
                        await old.process.stop()
                    }
                }
            }
        }
    }
}

/// Requests over both wires, over kept and new connections. Nothing is retried, except calls over a kept connection:
/// the client library repeats those that a server did not start before its goaway.
private final class Load: Sendable {
    let end = Flag()
    let failures = Mutex<[String]>([])
    /// Per sender.
    let answers = Mutex([Int](repeating: 0, count: 6))
    private let client: MusterClient
    private let rpc: UInt16
    private let rest: UInt16
    private let key: Secret

    init(client: MusterClient, rpc: UInt16, rest: UInt16, key: Secret) {
        (self.client, self.rpc, self.rest, self.key) = (client, rpc, rest, key)
    }

    /// Until the end, or the end of the test.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask { [self] in
                    var turn = 0
                    while !end.isRaised, !Task.isCancelled {
                        turn += 1
                        do {
                            try await one(number, turn)
                            answers.withLock { $0[number] += 1 }
                        } catch { failures.withLock { $0.append("\(number): \(error)") } }
                        try? await Task.sleep(for: .milliseconds(10))
                    }
                }
            }
        }
    }

    private func one(_ number: Int, _ turn: Int) async throws {
        let user = "u-\(number)-\(turn % 50)"
        let call = UpsertUsers(users: [UserEntry(externalID: Identifier(user))])
        switch number {
        case 0: _ = try await client.send(call)
        case 1:
            let client = ServerProcess.client(port: rpc, key: key) { $0.repeats = false }
            try await cleaningUp({ await client.close() }, after: { _ = try await client.send(call) })
        default:
            let reply = try await sendHTTP(
                "POST", "http://127.0.0.1:\(rest)/users/track",
                #"{"attributes":[{"external_id":"\#(user)","turn":\#(turn)}]}"#, bearer: key.text,
                headers: number < 4 ? ["connection": "close"] : [:])
            guard reply.status == 201 else { throw RPCError(.internal, "\(reply.status): \(reply.text)") }
        }
    }
}

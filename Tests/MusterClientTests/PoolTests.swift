import Logging
import MusterClient
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// A client with several connections.
@Suite struct PoolTests {
    /// Runs `body` with a client whose three connections are open, through a relay.
    private func withPool(_ body: (MusterClient, Relay, RPCServer, StubHandlers) async throws -> Void) async throws {
        try await withStubServer { server, stub in
            try await Relay.with([server.port]) { relay in
                let client = try await connected(to: relay, connections: 3)
                try await body(client, relay, server, stub)
                await client.close()
            }
        }
    }

    /// A client whose connections are open.
    private func connected(to relay: Relay, connections: Int) async throws -> MusterClient {
        let log = CapturedLog(level: .debug)
        let client = stubClient(port: relay.port, connections: connections, logger: log.logger)
        _ = try await client.send(EchoCall(text: "connect"))
        #expect(await eventually { log.lines.count { $0 == "Connected" } == connections })
        return client
    }

    private func wait(_ client: MusterClient, _ names: [String]) -> [Task<RPCError?, Never>] {
        names.map { name in Task { await rpcError { try await client.send(WaitCall(name: name)) } } }
    }

    @Test func aCallGoesToTheConnectionWithTheFewest() async throws {
        try await withPool { client, relay, _, stub in
            let names = ["a", "b", "c"]
            let calls = wait(client, names)
            #expect(await eventually { stub.gates.arrived.sorted() == names })
            try await relay.cut(1)
            // The call on that connection, and no other one.
            #expect(await eventually { stub.gates.cancelled.count == 1 })
            for name in names { stub.gates.open(name) }
            var codes: [RPCCode?] = []
            for call in calls { codes.append(await call.value?.code) }
            #expect(codes.count { $0 == nil } == 2)
            #expect(codes.count { $0 == .unknown } == 1)
        }
    }

    @Test func aKilledConnectionIsReplacedWhileTheOthersGoOn() async throws {
        try await withPool { client, relay, server, _ in
            for number in 0..<3 {
                try await relay.cut(number)
                for text in ["x", "y", "z"] { #expect(try await client.send(EchoCall(text: text)).text == text) }
                #expect(await eventually { server.status.connections == 3 })
                #expect(relay.accepted == 4 + number)
            }
        }
    }

    @Test func aConnectionThatCannotBeReplacedIsTriedWithPauses() async throws {
        try await withPool { client, relay, _, _ in
            relay.follow([])
            try await relay.cut(0)
            for number in 0..<2_000 { _ = try await client.send(EchoCall(text: "\(number)")) }
            #expect(relay.accepted > 3)
            #expect(relay.accepted < 300)
        }
    }

    @Test func aDrainedServerIsLeftByItsConnectionAlone() async throws {
        try await withStubServer { first, early in
            try await withStubServer { second, late in
                try await Relay.with([first.port, second.port]) { relay in
                    let client = try await connected(to: relay, connections: 2)
                    let calls = wait(client, ["a", "b"])
                    #expect(await eventually { early.gates.arrived.count == 1 && late.gates.arrived.count == 1 })
                    relay.follow([second.port])
                    let drain = Task { await first.drain() }
                    #expect(
                        await eventually {
                            _ = try? await client.send(EchoCall(text: "on"))
                            return second.status.connections == 2
                        })
                    early.gates.openAll()
                    late.gates.openAll()
                    for call in calls { #expect(await call.value == nil) }
                    await drain.value
                    #expect(relay.accepted == 3)
                    await client.close()
                }
            }
        }
    }
}
